//! One client: it asks one node after the other, and writes down what it asked and was told.

use std::sync::Arc;

use crate::api::Api;
use crate::history::{Outcome, Request};
use crate::random::Random;
use crate::record::Record;

/// A client's connections, its chance, and its place in the record.
pub struct Session {
    pub name: String,
    pub random: Random,
    nodes: Vec<Api>,
    at: usize,
    record: Arc<Record>,
}

impl Session {
    /// A client of that name that begins at the node at `at`.
    pub fn new(
        name: String,
        nodes: Vec<Api>,
        at: usize,
        random: Random,
        record: Arc<Record>,
    ) -> Self {
        Self {
            name,
            random,
            nodes,
            at,
            record,
        }
    }

    /// Goes on to the next node.
    pub fn turn(&mut self) {
        self.at = self.at.wrapping_add(1);
    }

    /// Asks the node where it is; goes on to the next where that could not answer.
    pub async fn call(&mut self, request: Request) -> Outcome {
        let at = self.at % self.nodes.len().max(1);
        let Some(api) = self.nodes.get_mut(at) else {
            return Outcome::Fail("no nodes".into());
        };
        let call = self.record.invoke(&self.name, api.node, &request);
        let outcome = api.call(&request).await;
        self.record.finish(call, &self.name, api.node, &outcome);
        if !matches!(outcome, Outcome::Ok(_)) {
            self.turn();
        }
        outcome
    }
}
