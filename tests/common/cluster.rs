//! A cluster of real processes on free ports.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use corndogs::proto::cluster::StatusResponse;
use futures::future::join_all;
use tokio::sync::{Mutex, MutexGuard};

use super::{Api, PATIENCE, Random, Setup, binary, until};
pub use node::Node;

mod node;

/// One cluster at a time: the machine is small, and one test's load is another's late heartbeat.
static TURN: Mutex<()> = Mutex::const_new(());
/// How much of each node's stderr is shown when a test fails.
const SHOWN_LINES: usize = 150;

/// What a command of the program answered.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Nodes by id. All are killed when it is dropped.
pub struct Cluster {
    pub nodes: BTreeMap<u64, Node>,
    setup: Setup,
    _turn: Option<MutexGuard<'static, ()>>,
}

impl Cluster {
    /// Nodes 1 to n, all of them ready.
    pub async fn start(nodes: u64) -> Self {
        Self::start_with(nodes, |setup| setup).await
    }

    /// The same with more options, the same ones for all nodes.
    pub async fn start_with(nodes: u64, configure: impl FnOnce(Setup) -> Setup) -> Self {
        let mut cluster = Self::planned_with(nodes, configure).await;
        for id in cluster.ids() {
            cluster.node_mut(id).start();
        }
        cluster.all_ready().await;
        cluster
    }

    /// Nodes 1 to n, none of them started. Waits until no other test has a cluster.
    pub async fn planned(nodes: u64) -> Self {
        Self::planned_with(nodes, |setup| setup).await
    }

    async fn planned_with(nodes: u64, configure: impl FnOnce(Setup) -> Setup) -> Self {
        let turn = TURN.lock().await;
        let setup = configure(Setup::at(&PathBuf::new()));
        Self::of(1..=nodes, setup, Some(turn))
    }

    /// Another cluster beside this one, none of its nodes started.
    pub fn planned_beside(&self, ids: impl IntoIterator<Item = u64>) -> Self {
        Self::of(ids, self.setup.clone(), None)
    }

    fn of(
        ids: impl IntoIterator<Item = u64>,
        setup: Setup,
        turn: Option<MutexGuard<'static, ()>>,
    ) -> Self {
        let nodes: BTreeMap<u64, Node> = ids
            .into_iter()
            .map(|id| (id, Node::new(id, &setup)))
            .collect();
        let mut cluster = Self {
            nodes,
            setup,
            _turn: turn,
        };
        let members = cluster.members();
        for node in cluster.nodes.values_mut() {
            node.members.clone_from(&members);
        }
        cluster
    }

    /// `--members` as it would be written for all nodes that are known here.
    pub fn members(&self) -> String {
        let members = self.nodes.values().map(Node::member);
        members.collect::<Vec<_>>().join(",")
    }

    /// One more node, not started; it knows the others.
    pub fn add(&mut self, id: u64) -> &mut Node {
        self.nodes.insert(id, Node::new(id, &self.setup));
        let members = self.members();
        let node = self.node_mut(id);
        node.members = members;
        node
    }

    pub fn ids(&self) -> Vec<u64> {
        self.nodes.keys().copied().collect()
    }

    /// All ids but that one.
    pub fn others(&self, id: u64) -> Vec<u64> {
        self.ids()
            .into_iter()
            .filter(|other| *other != id)
            .collect()
    }

    pub fn node(&self, id: u64) -> &Node {
        &self.nodes[&id]
    }

    pub fn node_mut(&mut self, id: u64) -> &mut Node {
        self.nodes.get_mut(&id).unwrap()
    }

    pub fn api(&self, id: u64) -> Api {
        Api::lazy(self.node(id).grpc)
    }

    /// Where clients find the nodes.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.nodes.values().map(|node| node.grpc).collect()
    }

    /// Nodes whose processes run and are not paused.
    pub fn serving(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values().filter(|node| node.is_serving())
    }

    /// Waits until every node that runs is ready.
    pub async fn all_ready(&mut self) {
        for id in self.ids() {
            if self.node(id).is_serving() {
                self.node_mut(id).ready().await;
            }
        }
    }

    /// The leader that most of the serving nodes agree on.
    pub async fn leader(&self) -> u64 {
        until("a leader", async || self.leader_now().await).await
    }

    async fn leader_now(&self) -> Option<u64> {
        let answers = join_all(self.serving().map(Node::status)).await;
        let answers: Vec<StatusResponse> = answers.into_iter().flatten().collect();
        let newest = answers.iter().max_by_key(|status| status.term)?;
        let agree = answers
            .iter()
            .filter(|status| (status.term, status.leader) == (newest.term, newest.leader));
        let leads = self.nodes.get(&newest.leader)?.is_serving();
        (leads && 2 * agree.count() > self.serving().count()).then_some(newest.leader)
    }

    /// A serving node that is not the leader, and the leader.
    pub async fn follower_and_leader(&self, random: &mut Random) -> (u64, u64) {
        let leader = self.leader().await;
        let followers: Vec<u64> = self
            .serving()
            .map(|node| node.id)
            .filter(|id| *id != leader)
            .collect();
        let follower = followers[random.below(followers.len() as u64) as usize];
        (follower, leader)
    }

    /// Once nothing writes any more: all serving nodes get to the same index and hold the same.
    pub async fn assert_same_state(&self) {
        let patience = Instant::now() + PATIENCE;
        loop {
            let own = join_all(self.serving().map(Node::own_status)).await;
            let seen: Vec<_> = own
                .iter()
                .map(|own| own.as_ref().map(|own| (own.applied_index, own.state_hash)))
                .collect();
            if let Some(Some(first)) = seen.first() {
                let level = |one: &Option<(u64, u64)>| one.is_some_and(|(at, _)| at == first.0);
                if seen.iter().all(level) {
                    let hashes: Vec<_> = self.serving().map(|node| node.id).zip(&seen).collect();
                    assert!(
                        seen.iter().all(|one| *one == Some(*first)),
                        "the nodes hold different states at the same index (id, (index, hash)): {hashes:x?}"
                    );
                    return;
                }
            }
            assert!(
                Instant::now() < patience,
                "the nodes don't get to the same index in {PATIENCE:?}: {own:#?}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// `corndogs cluster WORDS -a` that node.
    pub async fn command(&self, asked: u64, words: &[&str]) -> Said {
        let mut command = Command::new(binary());
        command.arg("cluster").args(words);
        command.arg("-a").arg(self.node(asked).grpc.to_string());
        command.env_clear().stdin(Stdio::null());
        let output = tokio::task::spawn_blocking(move || command.output().unwrap());
        let output = output.await.unwrap();
        Said {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The same, and it must succeed.
    pub async fn command_done(&self, asked: u64, words: &[&str]) -> Said {
        let said = self.command(asked, words).await;
        assert_eq!(said.code, Some(0), "corndogs cluster {words:?}: {said:?}");
        said
    }

    /// The nodes as one of them shows them, once each has a role that it can keep.
    pub async fn roles(&self, asked: u64) -> BTreeMap<u64, String> {
        let status = until("a status", async || self.node(asked).status().await).await;
        let roles = status.nodes.into_iter().map(|node| (node.id, node.role));
        roles.collect()
    }

    /// Waits until that node shows one leader and, beside it, followers alone: exactly these ids.
    pub async fn until_members_are(&self, asked: u64, ids: &[u64]) {
        let patience = Instant::now() + PATIENCE;
        loop {
            let roles = self.roles(asked).await;
            let leaders = roles.values().filter(|role| *role == "leader").count();
            let followers = roles.values().filter(|role| *role == "follower").count();
            if roles.keys().eq(ids) && leaders == 1 && followers == ids.len() - 1 {
                return;
            }
            assert!(
                Instant::now() < patience,
                "node {asked} shows {roles:?} instead of a leader and followers {ids:?}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.nodes.values_mut().for_each(Node::kill);
        if !std::thread::panicking() {
            return;
        }
        for node in self.nodes.values() {
            let stderr = node.stderr();
            let lines: Vec<&str> = stderr.lines().collect();
            let hidden = lines.len().saturating_sub(SHOWN_LINES);
            eprintln!("--- stderr of node {} ({hidden} lines before):", node.id);
            eprintln!("{}", lines[hidden..].join("\n"));
        }
    }
}
