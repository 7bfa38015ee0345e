//! Input that no client sends: refused, never a panic, and nothing changes.

use bytes::Bytes;
use prost::Message;

use super::{assert_in_step, command, request_key, submit};
use crate::proto::durable::{self, Command, Group, Target, command::Kind};
use crate::queue::{Outcome, Refusal, apply, step};
use crate::store::answer::{Answer, Expiry, Footprint};
use crate::store::record::{BucketKey, Position};
use crate::store::testing::answer;
use crate::store::{Change, Changes, MemoryStore, StoreError, View};

fn apply_one(store: &mut MemoryStore, command: Command) -> Outcome {
    let commands = vec![command];
    let group = Group {
        now_ns: 1,
        commands,
        ..Group::default()
    };
    let position = store.header().position.clone();
    apply(store, group, position).unwrap().remove(0)
}

fn assert_malformed(command: Command) {
    let mut store = MemoryStore::new();
    apply_one(&mut store, super::command(Kind::Submit(submit("a"))));
    let before = store.clone();
    let outcome = apply_one(&mut store, command.clone());
    let malformed = matches!(outcome, Outcome::Refused(Refusal::Malformed { .. }));
    assert!(malformed, "{command:?} came to {outcome:?}");
    assert_eq!(store, before);
}

#[test]
fn a_uuid_of_another_length_is_refused() {
    for length in [0, 15, 17] {
        let uuid = Bytes::from(vec![b'a'; length]);
        let target = Some(Target {
            uuid: uuid.clone(),
            ..Target::default()
        });
        let submit = durable::Submit {
            uuid,
            ..submit("a")
        };
        let client = durable::Submit {
            client_uuid: true,
            ..submit.clone()
        };
        let update = durable::Update {
            target: target.clone(),
            ..durable::Update::default()
        };
        let complete = durable::Complete {
            target: target.clone(),
            next_task: None,
        };
        assert_malformed(command(Kind::Submit(submit)));
        assert_malformed(command(Kind::Submit(client)));
        assert_malformed(command(Kind::Update(update)));
        let extend = durable::Extend {
            target: target.clone(),
            timeout_s: 1,
        };
        assert_malformed(command(Kind::Complete(complete)));
        assert_malformed(command(Kind::Extend(extend)));
        assert_malformed(command(Kind::Cancel(durable::Cancel { target })));
    }
}

#[test]
fn a_missing_target_or_kind_is_refused() {
    assert_malformed(Command::default());
    assert_malformed(command(Kind::Update(durable::Update::default())));
    assert_malformed(command(Kind::Complete(durable::Complete::default())));
    assert_malformed(command(Kind::Cancel(durable::Cancel::default())));
    assert_malformed(command(Kind::Extend(durable::Extend::default())));
}

#[test]
fn one_malformed_item_refuses_its_batch() {
    let target = Some(Target {
        uuid: submit("a").uuid,
        queue: "default".into(),
        current_state: "submitted".into(),
        attempt: 0,
    });
    let good = durable::Complete {
        target: target.clone(),
        next_task: Some(submit("b")),
    };
    let no_next = durable::Complete {
        target,
        next_task: Some(durable::Submit::default()),
    };
    for bad in [durable::Complete::default(), no_next] {
        let tasks = vec![good.clone(), bad];
        let batch = durable::CompleteTasks { tasks };
        assert_malformed(command(Kind::CompleteTasks(batch)));
    }
    let tasks = vec![submit("b"), durable::Submit::default()];
    let batch = durable::SubmitTasks { tasks };
    assert_malformed(command(Kind::SubmitTasks(batch)));
    let batch = durable::ClaimTasks {
        max_tasks: 1,
        ..Default::default()
    };
    assert_malformed(command(Kind::ClaimTasks(batch)));
}

#[test]
fn an_act_on_many_that_says_nothing_or_starts_nowhere_is_refused() {
    assert_malformed(command(Kind::Bulk(durable::Bulk::default())));
    for length in [0, 15, 17] {
        let uuid = Bytes::from(vec![b'a'; length]);
        let bulk = durable::Bulk {
            act: Some(durable::bulk::Act::Cancel(durable::CancelAll {})),
            after: Some(durable::BulkCursor {
                uuid,
                before_seq: 1,
            }),
            ..durable::Bulk::default()
        };
        assert_malformed(command(Kind::Bulk(bulk)));
    }
}

#[test]
fn a_malformed_next_task_completes_nothing() {
    let target = Target {
        uuid: submit("a").uuid,
        queue: "default".into(),
        current_state: "submitted".into(),
        attempt: 0,
    };
    assert_malformed(command(Kind::Complete(durable::Complete {
        target: Some(target),
        next_task: Some(durable::Submit::default()),
    })));
}

#[test]
fn what_is_malformed_is_not_remembered() {
    let key = Some(request_key("k", 1, 5));
    assert_malformed(Command { kind: None, key });
    for length in [0, 15, 17] {
        let key = durable::RequestKey {
            request_digest: Bytes::from(vec![1; length]),
            ..request_key("k", 1, 5)
        };
        assert_malformed(Command {
            key: Some(key),
            ..command(Kind::Submit(submit("b")))
        });
    }
}

#[test]
fn a_remembered_answer_that_is_none_is_damage() {
    let mut store = MemoryStore::new();
    let answer = Answer {
        request_digest: u128::from_be_bytes([1; 16]),
        expires_ns: 5,
        outcome: Bytes::from_static(b"damaged"),
    };
    let remember = Change::Remember {
        key: "k".into(),
        answer: answer.into(),
    };
    store.record(remember).unwrap();
    let retry = Command {
        key: Some(request_key("k", 1, 5)),
        ..command(Kind::Submit(submit("a")))
    };
    let result = step::perform(&mut store, 4, retry);
    assert!(
        matches!(result, Err(StoreError::Damaged { .. })),
        "{result:?}"
    );
}

#[test]
fn a_command_of_a_newer_version_is_refused_and_the_others_done() {
    // Field 2 of the group: a command whose only field is the unknown number 99.
    let newer = [0x12, 4, 0x9a, 0x06, 1, b'x'];
    let known = command(Kind::Submit(submit("a")));
    let mut bytes = Group {
        now_ns: 5,
        commands: vec![known],
        ..Group::default()
    }
    .encode_to_vec();
    bytes.extend(newer);
    let group = Group::decode(Bytes::from(bytes)).unwrap();
    let mut store = MemoryStore::new();
    let outcomes = apply(&mut store, group, Position::default()).unwrap();
    assert!(
        matches!(outcomes[0], Outcome::Task(Some(_))),
        "{outcomes:?}"
    );
    assert!(
        matches!(outcomes[1], Outcome::Refused(Refusal::Malformed { .. })),
        "{outcomes:?}"
    );
    assert_in_step(&store);
}

#[test]
fn a_change_that_does_not_follow_on_the_rows_is_damage() {
    use crate::store::Change::{
        Cancel, Complete, Expire, Forget, Remember, Replace, Submit, TimeOut,
    };

    let mut store = MemoryStore::new();
    let (key, answer) = ("k".into(), std::sync::Arc::new(answer(1)));
    let (expiry, footprint) = (answer.expiry(&key), answer.footprint(&key));
    let forget = |expires_ns, hash| Forget {
        expiry: Expiry {
            expires_ns,
            ..expiry.clone()
        },
        footprint: Footprint { hash, ..footprint },
    };
    let remember = Remember { key, answer };
    store.record(remember.clone()).unwrap();
    let Outcome::Task(Some(row)) = apply_one(&mut store, command(Kind::Submit(submit("a")))) else {
        panic!("not submitted");
    };
    let row = std::sync::Arc::new((*row).clone());
    let mut other = (*row).clone();
    other.priority = 1;
    let other = std::sync::Arc::new(other);
    let changes = [
        Submit(row.clone()),
        Submit(other.clone()),
        Replace {
            before: other.clone(),
            after: row.clone(),
        },
        TimeOut {
            before: other.clone(),
            after: row.clone(),
        },
        Complete {
            before: other.clone(),
            after: row.clone(),
        },
        Cancel {
            before: other,
            after: row,
        },
        Expire {
            key: BucketKey {
                index: 7,
                ..BucketKey::default()
            },
            bucket: Default::default(),
        },
        remember,
        forget(expiry.expires_ns, footprint.hash ^ 1),
        forget(expiry.expires_ns - 1, footprint.hash),
    ];
    for change in changes {
        let result = store.clone().record(change.clone());
        assert!(
            matches!(result, Err(StoreError::Damaged { .. })),
            "{change:?}: {result:?}"
        );
    }
}

#[test]
fn an_entry_that_comes_out_of_order_is_damage() {
    let mut store = MemoryStore::new();
    let mut end = |index| {
        let position = Position {
            index,
            ..Position::default()
        };
        store.begin_entry(1);
        store.end_entry(position)
    };
    assert!(end(2).is_ok());
    assert!(matches!(end(1), Err(StoreError::Damaged { .. })));
}
