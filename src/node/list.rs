//! Lists of tasks, read in pieces so that nothing else waits for them.

use uuid::Uuid;

use super::{Node, NodeError};
use crate::proto::durable::Filter;
use crate::queue::Row;
use crate::queue::list::{self, Piece, Scope};

/// Tasks that are looked at under one lock: some hundred microseconds.
const PIECE: usize = 256;
/// Tasks that one call looks at.
const MOST_LOOKED_AT: usize = 10_000;

impl Node {
    /// Hands the tasks that the filter fits to `take`, in the order of their uuids, from behind
    /// `after` on. Ends before the first one that is not taken, and when it has looked at enough.
    ///
    /// The state is at least as new as the call. Returns where to go on; none if all were looked at.
    ///
    /// # Errors
    /// If the state can't be vouched for or read.
    pub async fn list(
        &self,
        filter: &Filter,
        scope: Scope,
        mut after: Option<Uuid>,
        mut take: impl FnMut(&Row) -> bool,
    ) -> Result<Option<Uuid>, NodeError> {
        self.read(|_| Ok(())).await?;
        let mut looked_at = 0;
        loop {
            let piece = self.piece(filter, scope, after).await?;
            for row in &piece.rows {
                if !take(row) {
                    return Ok(after);
                }
                after = Some(row.uuid);
            }
            looked_at += piece.looked_at;
            after = piece.resume;
            if after.is_none() || looked_at >= MOST_LOOKED_AT {
                return Ok(after);
            }
        }
    }

    /// A piece of a list of this node's state. Lets everything else have its turn before.
    pub(super) async fn piece(
        &self,
        filter: &Filter,
        scope: Scope,
        after: Option<Uuid>,
    ) -> Result<Piece, NodeError> {
        tokio::task::yield_now().await;
        self.local(|view| list::piece(view, filter, scope, after, PIECE))
    }
}
