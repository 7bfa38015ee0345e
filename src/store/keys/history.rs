//! A task's history in its row: names by their place in a small table, times as differences.

use serde::{Deserialize, Serialize};

use crate::store::StoreError;
use crate::store::history::{History, Transition, TransitionKind};
use crate::store::record::{Name, Task};
use crate::store::view::Result;

/// A history on disk. The order of the fields is the format.
#[derive(Serialize, Deserialize)]
pub struct HistoryRow<'a> {
    dropped: u32,
    /// The names that the row does not have already.
    #[serde(borrow)]
    names: Vec<&'a str>,
    /// From the oldest one on.
    transitions: Vec<TransitionRow>,
}

/// A transition on disk: kind, `from` and `worker` by their places among the names, and how far
/// time and attempt went on from the one before, or from the submit.
#[derive(Serialize, Deserialize)]
struct TransitionRow(u8, u16, u16, i64, i64);

/// The names that every row has: they come before those of the table.
fn own_names(task: &Task) -> [Name; 4] {
    [
        Name::default(),
        task.current_state.clone(),
        task.auto_target_state.clone(),
        task.worker.clone(),
    ]
}

/// The place of a name, which is added where it has none yet.
fn place<'a>(names: &mut Vec<&'a str>, name: &'a str) -> u16 {
    let known = names.iter().position(|known| *known == name);
    let place = known.unwrap_or_else(|| {
        names.push(name);
        names.len() - 1
    });
    // A history has two names for each of at most 128 transitions.
    u16::try_from(place).unwrap_or(u16::MAX)
}

impl<'a> HistoryRow<'a> {
    /// The history of a task; none if there is nothing in it. `own` are its own names.
    pub fn of(task: &'a Task) -> Option<Self> {
        if task.history.is_empty() {
            return None;
        }
        let mut names: Vec<&str> = vec![
            "",
            &task.current_state,
            &task.auto_target_state,
            &task.worker,
        ];
        let own = names.len();
        let mut transitions: Vec<&Transition> = task.history.newest_first().collect();
        transitions.reverse();
        let (mut at_ns, mut attempt) = (task.submit_time_ns, 0i64);
        let rows = transitions.into_iter().map(|one| {
            let row = TransitionRow(
                one.kind.number(),
                place(&mut names, &one.from),
                place(&mut names, &one.worker),
                one.at_ns.wrapping_sub(at_ns),
                one.attempt.wrapping_sub(attempt),
            );
            (at_ns, attempt) = (one.at_ns, one.attempt);
            row
        });
        let transitions = rows.collect();
        Some(Self {
            dropped: task.history.dropped(),
            names: names.split_off(own),
            transitions,
        })
    }

    /// The history behind the row of a task. Its names are shared with the task's own.
    ///
    /// # Errors
    /// If it names what is not there.
    pub fn read(self, what: &str, task: &Task) -> Result<History> {
        let mut names = own_names(task).to_vec();
        names.extend(self.names.iter().map(|name| Name::from(*name)));
        let name = |place: u16| {
            let name = names.get(usize::from(place)).cloned();
            name.ok_or_else(|| StoreError::damaged(what, format!("no name has place {place}")))
        };
        let (mut at_ns, mut attempt) = (task.submit_time_ns, 0i64);
        let mut transitions = Vec::with_capacity(self.transitions.len());
        for TransitionRow(kind, from, worker, later_ns, more) in self.transitions {
            at_ns = at_ns.wrapping_add(later_ns);
            attempt = attempt.wrapping_add(more);
            let unknown = || StoreError::damaged(what, format!("a transition of kind {kind}"));
            transitions.push(Transition {
                at_ns,
                kind: TransitionKind::from_number(kind).ok_or_else(unknown)?,
                from: name(from)?,
                worker: name(worker)?,
                attempt,
            });
        }
        Ok(History::from_oldest(self.dropped, transitions))
    }
}
