//! Claims of a follower that stand in the leader's line: both ends of the stream that tells of them.

use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, UnboundedReceiverStream};
use tonic::{Status, Streaming};

use super::peers::Peers;
use crate::proto::peer;

/// Steps that wait for the connection.
const STEPS_AHEAD: usize = 1024;

/// A follower's claims, as the leader sees them.
pub struct Follower {
    /// Its id.
    pub id: u64,
    /// Claims that begin and cease to wait.
    pub steps: Steps,
    /// Where to tell it whose turn it is. Its stream ends when this is dropped.
    pub wakes: Wakes,
}

/// Claims that begin and cease to wait at a follower.
pub struct Steps(Streaming<peer::WaitRequest>);

impl Steps {
    /// The next one; none when the follower is gone.
    pub async fn next(&mut self) -> Option<peer::WaitRequest> {
        self.0.message().await.ok()?
    }
}

/// Tells a follower whose turn it is.
pub struct Wakes(mpsc::UnboundedSender<Result<peer::WaitWake, Status>>);

impl Wakes {
    /// It is that claim's turn. There are never more of them on the way than claims that wait.
    pub fn wake(&self, ticket: u64) {
        // A follower that is gone enters again by itself.
        let _ = self.0.send(Ok(peer::WaitWake { ticket }));
    }
}

impl Follower {
    /// What the leader holds of a stream, and what the follower gets of it.
    pub(super) fn new(
        id: u64,
        steps: Streaming<peer::WaitRequest>,
    ) -> (
        Self,
        UnboundedReceiverStream<Result<peer::WaitWake, Status>>,
    ) {
        let (wakes, woken) = mpsc::unbounded_channel();
        let follower = Self {
            id,
            steps: Steps(steps),
            wakes: Wakes(wakes),
        };
        (follower, UnboundedReceiverStream::new(woken))
    }
}

/// The stream to a leader, as a follower sees it.
pub struct WaitLink {
    /// Takes what the leader must know; closed once the connection is gone.
    pub steps: mpsc::Sender<peer::WaitRequest>,
    /// Whose turn it is.
    pub turns: Turns,
}

/// Whose turn it is, as the leader says.
pub struct Turns(Streaming<peer::WaitWake>);

impl Turns {
    /// The next claim whose turn it is; none when the stream is over.
    pub async fn next(&mut self) -> Option<u64> {
        Some(self.0.message().await.ok()??.ticket)
    }
}

impl Peers {
    /// Opens the stream through which this node's claims stand in the leader's line.
    ///
    /// # Errors
    /// If the peer can't be reached, or doesn't lead.
    pub async fn wait(&self, leader: u64) -> Result<WaitLink, String> {
        let (steps, stream) = mpsc::channel(STEPS_AHEAD);
        let opened = self
            .small_call(leader, async move |mut client| {
                client.wait(ReceiverStream::new(stream)).await
            })
            .await?;
        Ok(WaitLink {
            steps,
            turns: Turns(opened.into_inner()),
        })
    }
}
