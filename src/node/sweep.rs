//! What the leader does by itself: due tasks time out, delayed ones become claimable, old archives and answers are
//! forgotten.
//!
//! Nothing here changes state: it proposes log entries, as a client would.

use std::time::Duration;

use super::{Node, NodeError};
use crate::proto::durable::{self, command::Kind};
use crate::queue::Outcome;
use crate::store::record::{BucketKey, Name};

/// Tasks that one log entry looks at: bounds how long one entry is applied.
const STEP: u32 = 1000;
/// How often archive and remembered answers are looked at.
const RETENTION_INTERVAL: Duration = Duration::from_secs(1);
/// So many queues with a retention of their own are looked at then: the store is locked meanwhile.
const QUEUES_A_LOOK: usize = 100;

const NS_PER_S: i64 = 1_000_000_000;
/// How many tasks one step of regrouping looks at: it reads each of them.
const REGROUP_STEP: u32 = 250;

/// How often the first delayed task is looked at: seldom while it is far off, often when it is near.
const LONGEST_LOOK: Duration = Duration::from_millis(100);
const SHORTEST_LOOK: Duration = Duration::from_millis(20);

impl Node {
    /// Times out what is due at `at_time_ns` (0 means now, by the replicated clock) in one queue, or in all if it is empty.
    ///
    /// Goes on in bounded steps, and answers with the last one's outcome, which counts them all; an
    /// error leaves what the steps before it did, and says so. With a key, the last outcome is
    /// remembered, and any step finds it.
    pub async fn clean_up(
        &self,
        at_time_ns: i64,
        queue: &str,
        key: Option<durable::RequestKey>,
    ) -> Result<Outcome, NodeError> {
        let mut already = 0;
        let mut after = None;
        loop {
            let step = durable::TimeOut {
                at_time_ns,
                queue: queue.to_owned(),
                after,
                limit: STEP,
                already,
            };
            let outcome = self.execute(Kind::TimeOut(step), key.clone()).await;
            let outcome = outcome.map_err(|error| error.after(already))?;
            let Outcome::TimedOut {
                tasks,
                resume: Some(deadline),
            } = outcome
            else {
                return Ok(outcome);
            };
            already = tasks;
            after = Some(durable::Deadline {
                at_ns: deadline.at_ns,
                seq: deadline.seq,
            });
        }
    }

    /// Repeats a bounded step until it leaves nothing.
    async fn in_steps(&self, step: Kind) -> Result<(), NodeError> {
        loop {
            let (Outcome::Expired { more, .. }
            | Outcome::Forgotten { more, .. }
            | Outcome::Regrouped { more, .. }
            | Outcome::Ripened { more, .. }) = self.execute(step.clone(), None).await?
            else {
                return Err(NodeError::unexpected());
            };
            if !more {
                return Ok(());
            }
        }
    }

    async fn all_in_steps(&self, steps: Vec<Kind>) -> Result<(), NodeError> {
        for step in steps {
            self.in_steps(step).await?;
        }
        Ok(())
    }

    /// How long the first delayed task still has to wait; none if no task is delayed.
    fn first_delay(&self) -> Result<Option<Duration>, NodeError> {
        let first = self.local(|view| view.next_delayed(None))?;
        Ok(first.map(|(ripening, _)| {
            let wait_ns = ripening.at_ns.saturating_sub(self.clock.now_ns());
            Duration::from_nanos(u64::try_from(wait_ns).unwrap_or(0))
        }))
    }

    fn anything_due(&self, now_ns: i64) -> Result<bool, NodeError> {
        let first = self.local(|view| view.next_deadline(None))?;
        Ok(first.is_some_and(|(deadline, _)| deadline.at_ns < now_ns))
    }

    /// What forgets the archive from before `before_ns`, but for that of queues with a retention of their own; none if
    /// nothing there is so old.
    fn expire(&self, before_ns: i64) -> Result<Option<Kind>, NodeError> {
        let first = self.local(|view| view.next_bucket(None))?;
        let is_due = first
            .is_some_and(|(key, bucket)| key.queue.is_empty() && bucket.archived_ns < before_ns);
        Ok(is_due.then(|| expire(before_ns, "")))
    }

    /// What forgets the archive of queues that have a retention of their own, or had one; of so many of them that come
    /// next after a queue, and the last of these. A queue that has none any more goes by that of the server.
    fn expire_queues(
        &self,
        now_ns: i64,
        retention_ns: Option<i64>,
        after: Name,
    ) -> Result<(Vec<Kind>, Name), NodeError> {
        self.local(|view| {
            let mut steps = Vec::new();
            let mut queue = after;
            for _ in 0..QUEUES_A_LOOK {
                let index = u64::MAX;
                let next = view.next_bucket(Some(&BucketKey { queue, index }))?;
                let Some((key, bucket)) = next else {
                    return Ok((steps, Name::default()));
                };
                queue = key.queue;
                let control = view.controls().of(&queue);
                let retention_s = control.map_or(0, |control| control.settings.retention_s);
                let retention_ns = match retention_s {
                    0 => retention_ns,
                    retention_s => Some(retention_s.saturating_mul(NS_PER_S)),
                };
                let before_ns =
                    retention_ns.map(|retention_ns| now_ns.saturating_sub(retention_ns));
                let before_ns = before_ns.filter(|before_ns| bucket.archived_ns < *before_ns);
                steps.extend(before_ns.map(|before_ns| expire(before_ns, &queue)));
            }
            Ok((steps, queue))
        })
    }

    /// What forgets answers whose time is over; none if there is none. By this node's clock: the
    /// replicated one stands still where nothing is proposed.
    fn forget(&self, now_ns: i64) -> Result<Option<Kind>, NodeError> {
        let first = self.local(|view| view.next_expiring_answer(None))?;
        let is_due = first.is_some_and(|(expiry, _)| expiry.expires_ns <= now_ns);
        Ok(is_due.then_some(Kind::Forget(durable::Forget { limit: STEP })))
    }
}

/// Moves the tasks of queues to other groups where settings ask for it, for as long as this node leads.
pub async fn regroup(node: Node) {
    loop {
        tokio::time::sleep(LONGEST_LOOK).await;
        if !node.leads() {
            continue;
        }
        let first = node.local(|view| Ok(view.controls().regrouping().first().cloned()));
        let regrouped = match first {
            Ok(None) => continue,
            Ok(Some(queue)) => {
                let queue = queue.to_string();
                let limit = REGROUP_STEP;
                node.in_steps(Kind::Regroup(durable::Regroup { queue, limit }))
                    .await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = regrouped {
            tracing::warn!(%error, "tasks were not moved to their groups; will try again");
        }
    }
}

fn expire(before_ns: i64, queue: &str) -> Kind {
    Kind::Expire(durable::Expire {
        before_ns,
        limit: STEP,
        queue: queue.to_owned(),
    })
}

/// Makes delayed tasks claimable as soon as they are due, for as long as this node leads.
pub async fn ripen(node: Node) {
    let mut look = LONGEST_LOOK;
    loop {
        tokio::time::sleep(look).await;
        look = LONGEST_LOOK;
        if !node.leads() {
            continue;
        }
        let ripened = match node.first_delay() {
            Ok(None) => continue,
            Ok(Some(wait)) if !wait.is_zero() => {
                look = wait.clamp(SHORTEST_LOOK, LONGEST_LOOK);
                continue;
            }
            Ok(Some(_)) => {
                node.in_steps(Kind::Ripen(durable::Ripen { limit: STEP }))
                    .await
            }
            Err(error) => Err(error),
        };
        match ripened {
            // Another one may be due soon.
            Ok(()) => look = SHORTEST_LOOK,
            Err(error) => {
                tracing::warn!(%error, "due tasks were not made claimable; will try again");
            }
        }
    }
}

/// Times out due tasks every `interval` for as long as this node leads.
pub async fn time_out(node: Node, interval: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        if !node.leads() {
            continue;
        }
        let now_ns = node.clock.now_ns();
        let swept = match node.anything_due(now_ns) {
            Ok(false) => continue,
            Ok(true) => node.clean_up(0, "", None).await,
            Err(error) => Err(error),
        };
        match swept {
            Ok(outcome) => tracing::debug!(?outcome, "timed out due tasks"),
            Err(error) => tracing::warn!(%error, "due tasks were not timed out; will try again"),
        }
    }
}

/// Forgets remembered answers whose time is over, and archived tasks older than their queue's retention, or else
/// `retention`, if there is one, for as long as this node leads.
pub async fn forget(node: Node, retention: Option<Duration>) {
    let retention_ns = retention.map(|retention| i64::try_from(retention.as_nanos()));
    let retention_ns = retention_ns.map(|retention_ns| retention_ns.unwrap_or(i64::MAX));
    let mut queue = Name::default();
    loop {
        tokio::time::sleep(RETENTION_INTERVAL).await;
        if !node.leads() {
            continue;
        }
        let now_ns = node.clock.now_ns();
        let before_ns = retention_ns.map(|retention_ns| now_ns.saturating_sub(retention_ns));
        let of_queues = node.expire_queues(now_ns, retention_ns, std::mem::take(&mut queue));
        let of_queues = of_queues.map(|(steps, last)| {
            queue = last;
            steps
        });
        let steps = [
            before_ns.map_or(Ok(None), |before_ns| node.expire(before_ns)),
            node.forget(now_ns),
        ];
        let steps = steps.map(|step| step.map(|step| step.into_iter().collect()));
        for steps in steps.into_iter().chain([of_queues]) {
            let forgot = match steps {
                Ok(steps) => node.all_in_steps(steps).await,
                Err(error) => Err(error),
            };
            if let Err(error) = forgot {
                tracing::warn!(%error, "what is old was not forgotten; will try again");
            }
        }
    }
}
