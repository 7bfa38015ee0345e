//! One client: it asks one node after the other, and writes down what it asked and was told.

use std::sync::Arc;
use std::time::Duration;

use crate::Failed;
use crate::api::{Api, Place};
use crate::history::{Outcome, Request};
use crate::random::Random;
use crate::record::Record;

/// A client's connections, its chance, and its place in the record.
pub struct Session {
    pub name: Arc<str>,
    pub random: Random,
    nodes: Vec<Api>,
    at: usize,
    record: Arc<Record>,
    /// Makes payloads and keys unique.
    made: u64,
}

impl Session {
    /// A client that begins at the node at `at`. Its name must be unique in the run.
    pub fn new(
        name: String,
        places: &[Place],
        at: usize,
        random: Random,
        record: Arc<Record>,
    ) -> Result<Self, Failed> {
        let nodes = places.iter().map(Api::new).collect::<Result<_, Failed>>()?;
        Ok(Self {
            name: name.into(),
            random,
            nodes,
            at,
            record,
            made: 0,
        })
    }

    /// A name that nobody else has made or will make in this run.
    pub fn unique_name(&mut self) -> String {
        self.made += 1;
        format!("{}-{}", self.name, self.made)
    }

    /// Goes on to the next node.
    pub fn turn(&mut self) {
        self.at = self.at.wrapping_add(1);
    }

    /// Whether it comes about, of so many times in a hundred.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.random.below(100) < percent
    }

    /// Rests for a while of up to that long.
    pub async fn rest(&mut self, ms: u64) {
        let ms = self.random.below(ms);
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    /// Asks the node where it is; goes on to the next where that could not answer.
    pub async fn call(&mut self, request: Request) -> Outcome {
        self.call_by_key(&request, None).await
    }

    /// The same under an idempotency key.
    pub async fn call_by_key(&mut self, request: &Request, key: Option<&str>) -> Outcome {
        let outcome = self.ask(self.at, request, key).await;
        if matches!(outcome, Outcome::Fail(_) | Outcome::Unknown(_)) {
            self.turn();
        }
        outcome
    }

    /// Asks this node and the next at the same time, for the same act.
    pub async fn call_twice(&self, request: &Request, key: &str) -> [Outcome; 2] {
        let next = self.at.wrapping_add(1);
        let key = Some(key);
        let both = futures::future::join(
            self.ask(self.at, request, key),
            self.ask(next, request, key),
        );
        both.await.into()
    }

    async fn ask(&self, at: usize, request: &Request, key: Option<&str>) -> Outcome {
        let Some(api) = self.nodes.get(at % self.nodes.len().max(1)) else {
            return Outcome::Fail("no nodes".into());
        };
        let call = self.record.invoke(&self.name, api.node, request, key);
        let outcome = api.call(request, key).await;
        self.record.finish(call, &outcome);
        outcome
    }
}
