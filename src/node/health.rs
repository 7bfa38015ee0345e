//! Whether the node may serve, and if not, why.

use tokio::sync::watch;

/// What the node can do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It opens its files or replays its log.
    Starting(String),
    /// It reads and writes.
    Ready,
    /// It reads, and refuses writes until an operator has made room.
    ReadOnly(String),
    /// It knows no leader with a quorum behind it, and has not for a while.
    Cut(String),
    /// Its state is not that of the other nodes.
    Diverged(String),
    /// It finishes what is in flight and takes nothing new.
    Draining,
    /// It can't vouch for its state any more and needs a restart.
    Failed(String),
}

impl Health {
    /// Why no write is taken now.
    pub fn refuses_writes(&self) -> Option<String> {
        match self {
            Self::Ready => None,
            Self::ReadOnly(why) => Some(why.clone()),
            _ => self.refuses_reads(),
        }
    }

    /// Why no read is answered now.
    pub fn refuses_reads(&self) -> Option<String> {
        match self {
            Self::Ready | Self::ReadOnly(_) => None,
            Self::Starting(what) => Some(format!("the node is starting: {what}")),
            Self::Cut(why) | Self::Diverged(why) => Some(why.clone()),
            Self::Draining => Some("the node is shutting down".into()),
            Self::Failed(why) => Some(format!(
                "the node has stopped: {why}; see its log and restart it"
            )),
        }
    }
}

/// Where the health is kept; whoever waits for a change subscribes.
#[derive(Debug)]
pub struct HealthBoard {
    health: watch::Sender<Health>,
}

impl Default for HealthBoard {
    fn default() -> Self {
        let health = Health::Starting("opening the data directory".into());
        Self {
            health: watch::Sender::new(health),
        }
    }
}

impl HealthBoard {
    /// What it is now.
    pub fn get(&self) -> Health {
        self.health.borrow().clone()
    }

    /// Whether reads and writes are taken, without a copy.
    pub fn is_ready(&self) -> bool {
        *self.health.borrow() == Health::Ready
    }

    /// Follows the changes.
    pub fn subscribe(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// It has the state of the others again: it may come to serve. Whether it didn't before.
    pub fn reunite(&self) -> bool {
        self.health.send_if_modified(|health| {
            let was_apart = matches!(health, Health::Diverged(_));
            if was_apart {
                *health = Health::Starting("its state is that of the others again".into());
            }
            was_apart
        })
    }

    /// Changes it. A failure stays: only a restart mends it. Draining gives way to failure alone,
    /// a state apart also to draining.
    pub fn set(&self, to: Health) {
        self.health.send_if_modified(|health| {
            let stays = match health {
                Health::Failed(_) => true,
                Health::Draining => !matches!(to, Health::Failed(_)),
                Health::Diverged(_) => {
                    !matches!(
                        to,
                        Health::Failed(_) | Health::Draining | Health::Diverged(_)
                    ) || *health == to
                }
                _ => *health == to,
            };
            if !stays {
                *health = to;
            }
            !stays
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_apart_serves_nothing_until_it_is_the_others_again() {
        let board = HealthBoard::default();
        board.set(Health::Diverged("node 3 differs".into()));
        for to in [
            Health::Ready,
            Health::Starting("replay".into()),
            Health::Cut("no leader".into()),
            Health::ReadOnly("disk full".into()),
        ] {
            board.set(to);
            assert_eq!(board.get().refuses_reads(), Some("node 3 differs".into()));
        }
        assert!(board.reunite());
        assert!(matches!(board.get(), Health::Starting(_)));
        assert!(!board.reunite());
        board.set(Health::Diverged("again".into()));
        board.set(Health::Draining);
        assert!(!board.reunite());
        assert_eq!(board.get(), Health::Draining);
    }

    #[test]
    fn a_failure_stays() {
        let board = HealthBoard::default();
        assert!(board.get().refuses_reads().is_some());
        board.set(Health::Ready);
        assert!(board.is_ready());
        board.set(Health::ReadOnly("disk full".into()));
        assert_eq!(board.get().refuses_writes(), Some("disk full".into()));
        assert_eq!(board.get().refuses_reads(), None);
        board.set(Health::Draining);
        board.set(Health::Ready);
        assert_eq!(board.get(), Health::Draining);
        board.set(Health::Failed("fsync".into()));
        board.set(Health::Ready);
        assert!(
            board
                .get()
                .refuses_writes()
                .is_some_and(|why| why.contains("fsync"))
        );
    }
}
