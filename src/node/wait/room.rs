//! How many claims a line has room for, and when there is more because time has passed.

use std::collections::BTreeMap;

use crate::queue::query;
use crate::store::View;
use crate::store::ready::Line;
use crate::store::record::Name;

/// What claims that stand in a line may hope for.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// So many tasks of the line can be claimed.
    pub tasks: u64,
    /// So many claims its queue lets through, whatever its lines are; none if it has no limit.
    pub claims: Option<u64>,
}

impl Room {
    /// The room of a line at `now_ns`. Notes in `paced` when its queue lets more claims through, if that is a matter
    /// of time alone.
    pub fn of(
        view: &impl View,
        (queue, state): &Line,
        now_ns: i64,
        paced: &mut BTreeMap<Name, i64>,
    ) -> Self {
        let room = query::claimable(view, queue, state, now_ns);
        if let Some(next_ns) = room.next_claim_ns {
            paced.insert(queue.clone(), next_ns);
        }
        Self {
            tasks: room.tasks,
            claims: room.claims,
        }
    }
}
