//! Any node serves any call, the same as the leader would.

use std::time::Instant;

use corndogs::proto::v1alpha1::*;
use tonic::Code;

use crate::common::cluster::Cluster;
use crate::common::{Api, PATIENCE, Random, code, names};
use crate::wire::{Wire, encoded, path};

const QUEUE: &str = "walk";

/// What a node answered, call by call, without what can't be the same twice.
struct Walk {
    api: Api,
    uuids: Vec<String>,
    answers: Vec<(&'static str, String)>,
}

impl Walk {
    fn uuid(&self, number: usize) -> String {
        self.uuids[number].clone()
    }

    fn submit(&self, number: usize) -> SubmitTaskRequest {
        SubmitTaskRequest {
            queue: QUEUE.into(),
            uuid: self.uuid(number),
            payload: format!("payload {number}").into(),
            claim_timeout: 30,
            ..Default::default()
        }
    }

    fn complete(&self, number: usize, attempt: i64) -> CompleteTaskRequest {
        CompleteTaskRequest {
            uuid: self.uuid(number),
            queue: QUEUE.into(),
            current_state: "submitted-working".into(),
            attempt,
            next_task: None,
        }
    }

    fn claim(&self) -> GetNextTaskRequest {
        GetNextTaskRequest {
            queue: QUEUE.into(),
            worker: "walker".into(),
            ..Default::default()
        }
    }

    /// Notes an answer: uuids by their numbers, and no times.
    fn note<T: std::fmt::Debug>(&mut self, call: &'static str, answer: &Result<T, tonic::Status>) {
        let mut text = match answer {
            Ok(answer) => format!("{answer:?}"),
            Err(status) => format!("{:?}: {}", status.code(), status.message()),
        };
        for (number, uuid) in self.uuids.iter().enumerate() {
            text = text.replace(uuid, &format!("uuid {number}"));
        }
        self.answers.push((call, without_times(&text)));
    }

    /// Every call of the service once, and the errors of the contract.
    async fn all(mut self) -> Vec<(&'static str, String)> {
        self.submits().await;
        self.claims_and_fences().await;
        self.batches().await;
        self.counts().await;
        self.ends().await;
        self.answers
    }

    async fn submits(&mut self) {
        for number in [0, 1, 2] {
            let answer = self.api.submit(self.submit(number)).await;
            self.note("SubmitTask", &answer);
        }
        let again = self.api.submit(self.submit(0)).await;
        self.note("SubmitTask again", &again);
        let other = SubmitTaskRequest {
            payload: "another".into(),
            ..self.submit(0)
        };
        let taken = self.api.submit(other).await;
        assert_eq!(code(&taken), Code::AlreadyExists);
        self.note("SubmitTask with a taken uuid", &taken);
        let invalid = SubmitTaskRequest {
            queue: "a\nb".into(),
            ..Default::default()
        };
        let invalid = self.api.submit(invalid).await;
        assert_eq!(code(&invalid), Code::InvalidArgument);
        self.note("SubmitTask, invalid", &invalid);
        let uuid = self.uuid(0);
        let found = self.api.get(&uuid).await;
        assert!(found.as_ref().unwrap().is_some());
        self.note("GetTaskStateByID", &found);
        let invalid = self.api.get("no uuid").await;
        assert_eq!(code(&invalid), Code::InvalidArgument);
        self.note("GetTaskStateByID, invalid", &invalid);
    }

    async fn claims_and_fences(&mut self) {
        let claimed = self.api.claim(self.claim()).await;
        let task = claimed.as_ref().unwrap().clone().unwrap();
        assert_eq!(task.uuid, self.uuid(0));
        self.note("GetNextTask", &claimed);
        let fenced = self.api.complete(self.complete(0, 7)).await;
        let status = fenced.as_ref().unwrap_err();
        assert_eq!(status.code(), Code::FailedPrecondition);
        assert!(names(status, &["1", "walker"]), "{status}");
        self.note("CompleteTask, wrong attempt", &fenced);
        let update = UpdateTaskRequest {
            uuid: self.uuid(0),
            queue: QUEUE.into(),
            current_state: task.current_state.clone(),
            new_state: "updated".into(),
            timeout: 40,
            attempt: 9,
            ..Default::default()
        };
        let fenced = self.api.update(update.clone()).await;
        assert_eq!(code(&fenced), Code::FailedPrecondition);
        self.note("UpdateTask, wrong attempt", &fenced);
        let updated = self
            .api
            .update(UpdateTaskRequest {
                attempt: 1,
                ..update
            })
            .await;
        assert!(updated.as_ref().unwrap().is_some());
        self.note("UpdateTask", &updated);
        let due = updated.unwrap().unwrap().expires_at + 1;
        let timed_out = self.api.clean_up(due, QUEUE).await;
        assert_eq!(timed_out.as_ref().ok(), Some(&1));
        self.note("CleanUpTimedOut", &timed_out);
        let invalid = self.api.clean_up(-1, QUEUE).await;
        assert_eq!(code(&invalid), Code::InvalidArgument);
        self.note("CleanUpTimedOut, invalid", &invalid);
        let nothing = GetNextTaskRequest {
            queue: "empty".into(),
            ..Default::default()
        };
        let nothing = self.api.claim(nothing).await;
        assert_eq!(nothing.as_ref().ok(), Some(&None));
        self.note("GetNextTask, nothing there", &nothing);
    }

    async fn batches(&mut self) {
        let mut client = self.api.client.clone();
        let tasks = vec![self.submit(3), self.submit(4)];
        let answer = client.submit_tasks(SubmitTasksRequest { tasks }).await;
        assert_eq!(code(&answer), Code::Ok);
        self.note("SubmitTasks", &answer.map(tonic::Response::into_inner));
        let next = GetNextTasksRequest {
            next: Some(self.claim()),
            max_tasks: 2,
        };
        let answer = client.get_next_tasks(next).await;
        assert_eq!(answer.as_ref().unwrap().get_ref().tasks.len(), 2);
        self.note("GetNextTasks", &answer.map(tonic::Response::into_inner));
        let extend = ExtendTaskRequest {
            uuid: self.uuid(1),
            queue: QUEUE.into(),
            current_state: "submitted-working".into(),
            attempt: 1,
            timeout: 50,
        };
        let answer = client.extend_task(extend).await;
        assert!(answer.as_ref().unwrap().get_ref().task.is_some());
        self.note("ExtendTask", &answer.map(tonic::Response::into_inner));
        let tasks = vec![self.complete(1, 1), self.complete(2, 5)];
        let answer = client.complete_tasks(CompleteTasksRequest { tasks }).await;
        let results = &answer.as_ref().unwrap().get_ref().results;
        let done: Vec<bool> = results.iter().map(|one| one.task.is_some()).collect();
        assert_eq!(done, [true, false]);
        self.note("CompleteTasks", &answer.map(tonic::Response::into_inner));
        let invalid = self.api.submit_tasks(Vec::new()).await;
        assert_eq!(code(&invalid), Code::InvalidArgument);
        self.note("SubmitTasks, invalid", &invalid);
    }

    async fn counts(&mut self) {
        let answer = self.api.queues().await;
        assert_eq!(answer.as_ref().unwrap().0, [QUEUE]);
        self.note("GetQueues", &answer);
        let answer = self.api.queue_counts().await;
        self.note("GetQueueTaskCounts", &answer);
        let answer = self.api.state_counts(QUEUE).await;
        self.note("GetTaskStateCounts", &answer);
        let answer = self.api.all_counts().await;
        self.note("GetQueueAndStateCounts", &answer);
    }

    /// Completes and cancels all that is left, so that the next walk finds nothing.
    async fn ends(&mut self) {
        for number in 0..self.uuids.len() {
            let uuid = self.uuid(number);
            let Some(task) = self.api.get(&uuid).await.unwrap() else {
                continue;
            };
            let answer = if number % 2 == 0 {
                let cancel = CancelTaskRequest {
                    uuid,
                    queue: QUEUE.into(),
                    current_state: task.current_state,
                    attempt: 0,
                };
                self.api.cancel(cancel).await
            } else {
                let complete = CompleteTaskRequest {
                    current_state: task.current_state,
                    ..self.complete(number, 0)
                };
                self.api.complete(complete).await
            };
            self.note("CompleteTask or CancelTask", &answer);
            let found = self.api.get(&self.uuid(number)).await;
            self.note("GetTaskStateByID of an archived task", &found);
        }
        assert_eq!(self.api.queues().await.unwrap(), (vec![], 0));
    }
}

/// The text with all numbers of ten and more digits taken out: nanoseconds, not counts.
fn without_times(text: &str) -> String {
    let pieces = text.split_inclusive(|c: char| !c.is_ascii_digit());
    let short = pieces.map(|piece| {
        let digits = piece.chars().take_while(char::is_ascii_digit).count();
        if digits >= 10 {
            format!("TIME{}", &piece[digits..])
        } else {
            piece.to_owned()
        }
    });
    short.collect()
}

#[test]
fn times_are_taken_out_and_nothing_else() {
    let text = "a 12 b: 1234567890123456789, 3";
    assert_eq!(without_times(text), "a 12 b: TIME, 3");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_is_answered_by_a_follower_as_by_the_leader() {
    let mut random = Random::seeded("any node");
    let cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let mut walks = Vec::new();
    let mut order = cluster.others(leader);
    order.insert(0, leader);
    for id in order {
        let walk = Walk {
            api: cluster.api(id),
            uuids: (0..5).map(|_| random.uuid()).collect(),
            answers: Vec::new(),
        };
        walks.push((id, walk.all().await));
    }
    assert_eq!(
        cluster.leader().await,
        leader,
        "the leader changed meanwhile"
    );
    let (_, by_leader) = &walks[0];
    for (id, by_follower) in &walks[1..] {
        assert_eq!(by_follower.len(), by_leader.len());
        for (here, there) in by_follower.iter().zip(by_leader) {
            assert_eq!(here, there, "node {id} answers otherwise than the leader");
        }
    }
    cluster.assert_same_state().await;
}

/// The server keeps a call's deadline, on a follower whose leader does not answer as well.
#[tokio::test]
async fn a_follower_keeps_the_deadline_of_a_call() {
    let mut random = Random::seeded("deadlines");
    let mut cluster = Cluster::start(3).await;
    let (follower, leader) = cluster.follower_and_leader(&mut random).await;
    // All others: no election can end the wait.
    for id in cluster.others(follower) {
        cluster.node_mut(id).pause();
    }
    let wire = Wire::connect(cluster.node(follower).grpc).await;
    let submit = SubmitTaskRequest::default();
    let get = GetTaskStateByIdRequest {
        uuid: random.uuid(),
        queue: String::new(),
    };
    for (call, body) in [
        ("SubmitTask", encoded(&submit)),
        ("GetTaskStateByID", encoded(&get)),
    ] {
        let asked = Instant::now();
        let headers = [("grpc-timeout", "300m")];
        let path = path(call);
        let call_path = wire.call(&path, &headers, body);
        let answer = tokio::time::timeout(PATIENCE, call_path).await;
        let answer = answer.expect("no answer at all").unwrap();
        println!("{call}: {:?} after {:?}", answer.code, asked.elapsed());
        let right = [Some(Code::DeadlineExceeded), Some(Code::Unavailable)];
        assert!(right.contains(&answer.code), "{call}: {answer:?}");
    }
    for id in cluster.others(follower) {
        cluster.node_mut(id).resume();
    }
    cluster.all_ready().await;
    cluster.api(leader).assert_serves().await;
    cluster.assert_same_state().await;
}
