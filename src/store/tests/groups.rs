//! Groups at their limit, however many tasks they have.

use std::sync::Arc;
use std::time::Duration;

use prost::Message;

use crate::clock;
use crate::proto::durable::QueueSettings;
use crate::store::controls::SETTINGS;
use crate::store::documents::DocumentKey;
use crate::store::record::{Extras, Position, Task};
use crate::store::testing::task;
use crate::store::{Change, Changes, Options, State, Store, View};

const TASKS: u64 = 100_000;

fn of_group(seq: u64, group: &str) -> Arc<Task> {
    let extras = Extras {
        group: group.into(),
        ..Extras::default()
    };
    Arc::new(Task {
        timeout_s: 0,
        request_digest: 0,
        extras: extras.shared(),
        ..task(seq)
    })
}

fn position(index: u64) -> Position {
    Position {
        index,
        ..Position::default()
    }
}

/// Claims and gives back the best task that there is, again and again.
fn claim_often(state: &mut State) -> u64 {
    let begun = clock::monotonic();
    let mut claims = 0;
    let index = state.header().position.index + 1;
    state.begin_entry(1);
    while clock::monotonic() - begun < Duration::from_secs(10) && claims < 1000 {
        let before = state.first_ready("queue", "submitted").unwrap().unwrap();
        assert_eq!(before.group().map(|group| &**group), Some("small"));
        let held = Arc::new(Task {
            current_state: "submitted-working".into(),
            claimed_ns: 1,
            ..Task::clone(&before)
        });
        state
            .record(Change::Replace {
                before: before.clone(),
                after: held.clone(),
            })
            .unwrap();
        state
            .record(Change::Replace {
                before: held,
                after: before,
            })
            .unwrap();
        claims += 1;
    }
    state.end_entry(position(index)).unwrap();
    claims
}

#[test]
fn a_claim_past_a_full_group_looks_at_few_of_its_tasks() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Options::default()).unwrap();
    {
        let mut state = store.lock();
        state.begin_entry(1);
        let settings = QueueSettings {
            group_by: "key".into(),
            max_in_flight_per_group: 1,
            ..QueueSettings::default()
        };
        let document = Change::Document {
            key: DocumentKey {
                kind: SETTINGS,
                name: "queue".into(),
            },
            before: None,
            after: Some(settings.encode_to_vec().into()),
        };
        state.record(document).unwrap();
        for seq in 0..TASKS {
            state
                .record(Change::Submit(of_group(seq, "large")))
                .unwrap();
        }
        state
            .record(Change::Submit(of_group(TASKS, "small")))
            .unwrap();
        let before = state.first_ready("queue", "submitted").unwrap().unwrap();
        let after = Arc::new(Task {
            current_state: "submitted-working".into(),
            claimed_ns: 1,
            ..Task::clone(&before)
        });
        state.record(Change::Replace { before, after }).unwrap();
        state.end_entry(position(1)).unwrap();
        // To pass over the tasks one by one would take minutes.
        assert_eq!(claim_often(&mut state), 1000);
    }
    futures::executor::block_on(store.checkpoint_now()).unwrap();
    assert_eq!(claim_often(&mut store.lock()), 1000);
    drop(store);
    let store = Store::open(dir.path(), Options::default()).unwrap();
    assert_eq!(claim_often(&mut store.lock()), 1000);
    store.lock().check().unwrap();
}
