//! One direction between two nodes: what happens to the bytes that go that way.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use crate::random::Random;

const BUFFER_BYTES: usize = 16 << 10;
/// Pieces that are on their way; more hold the sender up.
const PIECES: usize = 256;

/// How bytes fare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// They go through at once.
    Open,
    /// They arrive in order, but late: after `delay_ms` and up to `jitter_ms` more.
    Slow {
        /// How late at least.
        delay_ms: u64,
        /// How much later at most.
        jitter_ms: u64,
    },
    /// They wait, and arrive when the way is open again: as TCP does it when packets are lost for a while.
    Held,
    /// They vanish without a word; when the way is open again, connections that lost some are reset.
    Lost,
    /// Connections are reset, and so are new ones.
    Cut,
    /// As cut; and where nobody gets through to a node, its port does not even listen.
    Refused,
}

impl Flow {
    /// Whether no connection can last.
    pub fn is_cut(self) -> bool {
        matches!(self, Self::Cut | Self::Refused)
    }

    /// Whether nothing arrives for now, though nobody is told.
    pub fn is_silent(self) -> bool {
        matches!(self, Self::Held | Self::Lost)
    }
}

/// What has happened so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Bytes that went through.
    pub passed: u64,
    /// Bytes that vanished.
    pub lost: u64,
    /// Bytes that came late.
    pub late: u64,
    /// Connections that were reset, or not let in.
    pub resets: u64,
}

/// The way from one node to another, for all connections, whichever of the two has dialed.
pub struct Wire {
    flow: watch::Sender<Flow>,
    passed: AtomicU64,
    lost: AtomicU64,
    late: AtomicU64,
    resets: AtomicU64,
}

impl Default for Wire {
    fn default() -> Self {
        Self {
            flow: watch::Sender::new(Flow::Open),
            passed: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            late: AtomicU64::new(0),
            resets: AtomicU64::new(0),
        }
    }
}

impl Wire {
    /// How bytes fare now.
    pub fn flow(&self) -> Flow {
        *self.flow.borrow()
    }

    /// Changes that, also for bytes that are under way.
    pub fn set(&self, flow: Flow) {
        self.flow.send_replace(flow);
    }

    /// Waits until the flow is so.
    pub async fn until(&self, is_so: impl FnMut(&Flow) -> bool) {
        // The sender lives as long as this.
        let _ = self.flow.subscribe().wait_for(is_so).await;
    }

    /// Notes a connection that was reset.
    pub fn count_reset(&self) {
        self.resets.fetch_add(1, Ordering::Relaxed);
    }

    /// What has happened so far.
    pub fn tally(&self) -> Tally {
        Tally {
            passed: self.passed.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed),
            late: self.late.load(Ordering::Relaxed),
            resets: self.resets.load(Ordering::Relaxed),
        }
    }

    /// Carries bytes until one side ends, or until the connection must not go on.
    pub async fn carry(
        &self,
        from: impl AsyncRead + Unpin,
        to: impl AsyncWrite + Unpin,
        random: Random,
    ) {
        let (sender, receiver) = mpsc::channel(PIECES);
        tokio::join!(
            async {
                // An error is an end: the other direction ends with it.
                let _ = self.take(from, sender, random).await;
            },
            async {
                let _ = self.give(to, receiver).await;
            }
        );
    }

    /// Reads pieces, and says when each is to arrive.
    async fn take(
        &self,
        mut from: impl AsyncRead + Unpin,
        sender: mpsc::Sender<(Instant, Vec<u8>)>,
        mut random: Random,
    ) -> io::Result<()> {
        let mut flow = self.flow.subscribe();
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut last = Instant::now();
        let mut has_lost = false;
        loop {
            let bytes = tokio::select! {
                read = from.read(&mut buffer) => read?,
                _ = flow.changed() => {
                    if has_lost && *flow.borrow() != Flow::Lost {
                        return Ok(());
                    }
                    continue;
                }
            };
            let Some(piece) = buffer.get(..bytes).filter(|piece| !piece.is_empty()) else {
                return Ok(());
            };
            // The sender lives as long as this wire.
            let _ = flow.wait_for(|flow| *flow != Flow::Held).await;
            let mut due = Instant::now();
            match self.flow() {
                Flow::Lost => {
                    has_lost = true;
                    self.lost.fetch_add(bytes as u64, Ordering::Relaxed);
                    continue;
                }
                Flow::Slow {
                    delay_ms,
                    jitter_ms,
                } => {
                    due += Duration::from_millis(delay_ms + random.below(jitter_ms + 1));
                    self.late.fetch_add(bytes as u64, Ordering::Relaxed);
                }
                _ => {}
            }
            if has_lost {
                return Ok(());
            }
            last = last.max(due);
            if sender.send((last, piece.to_vec())).await.is_err() {
                return Ok(());
            }
        }
    }

    /// Writes pieces when they are due.
    async fn give(
        &self,
        mut to: impl AsyncWrite + Unpin,
        mut receiver: mpsc::Receiver<(Instant, Vec<u8>)>,
    ) -> io::Result<()> {
        while let Some((due, piece)) = receiver.recv().await {
            if due > Instant::now() {
                sleep_until(due).await;
            }
            to.write_all(&piece).await?;
            self.passed.fetch_add(piece.len() as u64, Ordering::Relaxed);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{DuplexStream, duplex};
    use tokio::time::timeout;

    use super::*;

    /// Longer than a piece that goes through takes, on a busy machine, too.
    const LONG: Duration = Duration::from_secs(10);
    const SHORT: Duration = Duration::from_millis(100);

    /// A wire that carries from the first stream to the second.
    fn connection() -> (Arc<Wire>, DuplexStream, DuplexStream) {
        let (near, from) = duplex(1024);
        let (to, far) = duplex(1024);
        let wire = Arc::new(Wire::default());
        let carrying = wire.clone();
        tokio::spawn(async move { carrying.carry(from, to, Random::new(1, 1)).await });
        (wire, near, far)
    }

    async fn arrives(far: &mut DuplexStream) -> Option<u8> {
        timeout(LONG, far.read_u8()).await.unwrap().ok()
    }

    async fn is_silent(far: &mut DuplexStream) -> bool {
        timeout(SHORT, far.read_u8()).await.is_err()
    }

    #[tokio::test]
    async fn what_is_held_arrives_later() {
        let (wire, mut near, mut far) = connection();
        near.write_u8(1).await.unwrap();
        assert_eq!(arrives(&mut far).await, Some(1));
        wire.set(Flow::Held);
        near.write_u8(2).await.unwrap();
        assert!(is_silent(&mut far).await);
        wire.set(Flow::Open);
        assert_eq!(arrives(&mut far).await, Some(2));
        assert_eq!(wire.tally().passed, 2);
    }

    #[tokio::test]
    async fn what_is_lost_never_arrives_and_ends_the_connection() {
        let (wire, mut near, mut far) = connection();
        wire.set(Flow::Lost);
        near.write_u8(1).await.unwrap();
        assert!(is_silent(&mut far).await);
        assert_eq!(wire.tally().lost, 1);
        wire.set(Flow::Open);
        assert_eq!(arrives(&mut far).await, None, "the connection is over");
    }

    #[tokio::test]
    async fn what_is_slow_arrives_in_order() {
        let (wire, mut near, mut far) = connection();
        wire.set(Flow::Slow {
            delay_ms: 50,
            jitter_ms: 50,
        });
        let began = Instant::now();
        near.write_u8(1).await.unwrap();
        near.write_u8(2).await.unwrap();
        assert_eq!(arrives(&mut far).await, Some(1));
        assert!(began.elapsed() >= Duration::from_millis(50));
        assert_eq!(arrives(&mut far).await, Some(2));
        assert_eq!(wire.tally().late, 2);
    }
}
