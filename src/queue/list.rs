//! Tasks that a filter fits, in the order of their uuids, which never change.

use uuid::Uuid;

use super::{Row, filter};
use crate::proto::durable::Filter;
use crate::store::{StoreError, TaskPage, View};

/// Where to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Among live tasks.
    Live,
    /// Among archived tasks.
    Archived,
    /// Among both.
    Both,
}

/// A piece of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// The tasks that the filter fits.
    pub rows: Vec<Row>,
    /// How many were looked at.
    pub looked_at: usize,
    /// All tasks up to this uuid were looked at; none if no more are left.
    pub resume: Option<Uuid>,
}

/// Looks at the tasks after a uuid, or from the first one on: at about `limit` of them.
///
/// A piece is of one moment. A task that is archived meanwhile is in the same place of both: it
/// is seen exactly once, by whatever piece its uuid is in.
///
/// # Errors
/// If the view can't answer.
pub fn piece(
    view: &(impl View + ?Sized),
    filter: &Filter,
    scope: Scope,
    after: Option<Uuid>,
    limit: usize,
) -> Result<Piece, StoreError> {
    let live = match scope {
        Scope::Live | Scope::Both if filter::may_fit_live(filter, view.counts()) => {
            view.live_after(after, limit)?
        }
        _ => TaskPage::default(),
    };
    let archived = match scope {
        Scope::Archived | Scope::Both => view.archived_after(after, limit)?,
        Scope::Live => TaskPage::default(),
    };
    let resume = match (live.resume, archived.resume) {
        (Some(live), Some(archived)) => Some(live.min(archived)),
        (live, archived) => live.or(archived),
    };
    let looked_at = live.tasks.len() + archived.tasks.len();
    let live = live.tasks.into_iter().map(Row::Live);
    let archived = archived.tasks.into_iter().map(Row::Archived);
    let rows = live.chain(archived);
    let mut rows: Vec<Row> = rows
        .filter(|row| resume.is_none_or(|resume| row.uuid <= resume) && filter::fits(filter, row))
        .collect();
    rows.sort_unstable_by_key(|row| row.uuid);
    Ok(Piece {
        rows,
        looked_at,
        resume,
    })
}
