//! The workload `queue`: clients put tasks in, claim them, give them on, end them, and sleep over some of their leases.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::history::{Outcome, Request, Seen, Submitted};
use crate::random::Random;
use crate::session::Session;

/// The states that tasks are claimed from: the first, and the one that updates give them on to.
const STATES: [&str; 2] = ["submitted", "second"];
/// So many of a client's last tasks are looked at again.
const REMEMBERED: usize = 100;
/// A call is followed by a rest of up to that long: the history stays small enough to be read.
const REST_MS: u64 = 20;
/// How long a sleeper sleeps: some leases have run out by then, some have been given to others.
const SLEEP_MS: std::ops::Range<u64> = 600..4_000;

/// One client.
pub struct Worker {
    session: Session,
    /// Makes payloads unique in the history, whatever restarts.
    made: u64,
    known: VecDeque<String>,
    /// Leases that are acted on late, and when.
    asleep: Vec<(Instant, Seen)>,
}

impl Worker {
    pub fn new(session: Session) -> Self {
        Self {
            session,
            made: 0,
            known: VecDeque::new(),
            asleep: Vec::new(),
        }
    }

    /// Works until then.
    pub async fn work(mut self, until: Instant) {
        while Instant::now() < until {
            self.wake().await;
            if self.session.random.below(20) == 0 {
                self.session.turn();
            }
            match self.session.random.below(100) {
                0..35 => self.submit().await,
                35..85 => self.claim().await,
                _ => self.look().await,
            }
            let rest = Duration::from_millis(self.session.random.below(REST_MS));
            tokio::time::sleep(rest).await;
        }
    }

    fn new_task(&mut self) -> Submitted {
        self.made += 1;
        let task = Submitted {
            uuid: self.session.random.uuid().to_string(),
            payload: format!("{}-{}", self.session.name, self.made),
        };
        if self.known.len() == REMEMBERED {
            self.known.pop_front();
        }
        self.known.push_back(task.uuid.clone());
        task
    }

    async fn submit(&mut self) {
        let task = self.new_task();
        self.session.call(Request::Submit(task)).await;
    }

    async fn claim(&mut self) {
        let state = self.session.random.one_of(&STATES).copied();
        let claim = Request::Claim {
            worker: self.session.name.clone(),
            state: state.unwrap_or_default().to_owned(),
        };
        let outcome = self.session.call(claim).await;
        let Some(task) = outcome.task().cloned() else {
            return;
        };
        match self.session.random.below(100) {
            0..20 => self.sleep_over(task),
            // Never acted on: it comes back by its timeout.
            20..25 => {}
            25..45 => self.update(&task).await,
            _ => self.complete(&task).await,
        }
    }

    fn sleep_over(&mut self, task: Seen) {
        let ms = SLEEP_MS.start + self.session.random.below(SLEEP_MS.end - SLEEP_MS.start);
        self.asleep
            .push((Instant::now() + Duration::from_millis(ms), task));
    }

    /// Acts by the leases that were slept over.
    async fn wake(&mut self) {
        let now = Instant::now();
        let (due, asleep) = std::mem::take(&mut self.asleep)
            .into_iter()
            .partition(|(moment, _)| *moment <= now);
        self.asleep = asleep;
        let due: Vec<(Instant, Seen)> = due;
        for (_, task) in due {
            match self.session.random.below(3) {
                0 => self.update(&task).await,
                _ => self.complete(&task).await,
            }
        }
    }

    async fn update(&mut self, task: &Seen) {
        let update = Request::Update {
            uuid: task.uuid.clone(),
            attempt: task.attempt,
            state: task.state.clone(),
            new_state: "second".into(),
        };
        self.session.call(update).await;
    }

    async fn complete(&mut self, task: &Seen) {
        let next = (self.session.random.below(3) == 0).then(|| self.new_task());
        let complete = Request::Complete {
            uuid: task.uuid.clone(),
            attempt: task.attempt,
            state: task.state.clone(),
            next,
        };
        let outcome = self.session.call(complete.clone()).await;
        // What is in doubt is asked again, as a client does that wants to be sure.
        if let Outcome::Unknown(_) = outcome {
            self.session.call(complete).await;
        }
    }

    async fn look(&mut self) {
        let known = &self.known;
        let at = self.session.random.below(known.len() as u64);
        let uuid = usize::try_from(at).ok().and_then(|at| known.get(at));
        if let Some(uuid) = uuid.cloned() {
            self.session.call(Request::Get { uuid }).await;
        }
    }
}

/// The chance of one client; all of them come from the run's seed.
pub fn chance(seed: u64, client: u64) -> Random {
    Random::new(seed, 1_000 + client)
}
