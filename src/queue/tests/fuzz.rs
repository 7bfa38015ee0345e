//! Log entries and remembered answers that nobody wrote: refused, and nothing changes, or an outcome, the same each time.

use bytes::Bytes;
use prost::Message;

use super::bytes_of;
use crate::fuzz::{Input, fuzz_target};
use crate::proto::durable::{self, Command, Group, command::Kind};
use crate::queue::durable::{outcome_from_bytes, outcome_to_bytes};
use crate::queue::{Outcome, Refusal, apply, schedule};
use crate::store::record::Position;
use crate::store::{MemoryStore, View};

mod seeds;

fuzz_target!(
    /// Commands, whatever is in them.
    log_commands, 5000, seeds::commands, commands_run
);
fuzz_target!(
    /// Outcomes as they are remembered, and schedules as they are kept.
    remembered_outcome, 100_000, seeds::outcomes, outcome_run
);

const S: i64 = 1_000_000_000;
const START_NS: i64 = 1_700_000_000 * S;

/// Each command in an entry of its own, some time after the one before.
fn commands_run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut now_ns = START_NS;
    let mut store = MemoryStore::new();
    let mut index = 0;
    while !input.is_empty() {
        now_ns = match input.byte() {
            255 => input.number(),
            seconds => now_ns.saturating_add(i64::from(seconds) * S),
        };
        let Ok(mut command) = Command::decode(input.chunk()) else {
            continue;
        };
        index += 1;
        make_uuids_new(&mut command, index);
        // One that can't submit its task is refused, and the schedule goes on all the same.
        let is_tick = matches!(command.kind, Some(Kind::Tick(_)));
        let group = Group {
            now_ns,
            commands: vec![command],
            ..Group::default()
        };
        let position = Position {
            index,
            ..Position::default()
        };
        // What is due comes before the command, and happens all the same where that is refused.
        let mut alone = store.clone();
        let mut again = store.clone();
        let empty = Group {
            commands: Vec::new(),
            ..group.clone()
        };
        apply(&mut alone, empty, position.clone()).unwrap();
        let outcomes = apply(&mut store, group.clone(), position.clone()).unwrap();
        assert_eq!(apply(&mut again, group, position).unwrap(), outcomes);
        assert!(again == store, "the same entry comes to another state");
        if matches!(outcomes[..], [Outcome::Refused(_)]) && !is_tick {
            assert_eq!(store.header().totals, alone.header().totals);
            assert!(store.live_tasks().eq(alone.live_tasks()));
        }
        let is_malformed = matches!(outcomes[..], [Outcome::Refused(Refusal::Malformed { .. })]);
        if is_malformed && !is_tick {
            assert!(store == alone, "a refused command changed something");
        }
        if let Some(bytes) = outcomes.first().and_then(outcome_to_bytes) {
            outcome_from_bytes(&bytes).unwrap();
        }
    }
}

/// The uuids that a server makes are new, as those of the clock are: that is not looked up.
fn make_uuids_new(command: &mut Command, index: u64) {
    let submits: Vec<&mut durable::Submit> = match &mut command.kind {
        Some(Kind::Submit(submit)) => vec![submit],
        Some(Kind::SubmitTasks(batch)) => batch.tasks.iter_mut().collect(),
        Some(Kind::Complete(complete)) => complete.next_task.iter_mut().collect(),
        Some(Kind::CompleteTasks(batch)) => {
            let tasks = batch.tasks.iter_mut();
            tasks.flat_map(|complete| &mut complete.next_task).collect()
        }
        _ => Vec::new(),
    };
    for (submit, number) in submits.into_iter().zip(0..) {
        if !submit.client_uuid && submit.uuid.len() == 16 {
            let uuid = uuid::Uuid::from_u64_pair(index, number);
            submit.uuid = bytes_of(uuid);
        }
    }
}

fn outcome_run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let is_schedule = input.byte() == 1;
    let bytes = Bytes::copy_from_slice(input.rest());
    if is_schedule {
        if let Ok(read) = schedule::decode(&bytes) {
            let again = schedule::decode(&read.encode_to_vec().into()).unwrap();
            assert_eq!(again, read);
        }
        return;
    }
    let Ok(outcome) = outcome_from_bytes(&bytes) else {
        return;
    };
    // Its tasks have no history there.
    let again = outcome_to_bytes(&outcome).unwrap();
    let read = outcome_from_bytes(&again).unwrap();
    assert_eq!(outcome_to_bytes(&read).unwrap(), again);
    if !matches!(outcome, Outcome::Task(_) | Outcome::Tasks(_)) {
        return;
    }
    assert_eq!(outcome.is_empty(), read.is_empty());
}
