//! Outcomes as they are remembered.

use bytes::Bytes;
use prost::Message;
use uuid::Uuid;

use super::{Completion, Cursor, Outcome, Refusal, Row};
use crate::proto::durable::{self, outcome::Kind, refusal};
use crate::store::StoreError;
use crate::store::durable::{task_from_message, task_to_message};

/// The encoding of an outcome; none if it is not to be remembered.
///
/// Not remembered are steps that others follow, what clients can't ask for, and refusals of
/// the request as such.
pub(super) fn outcome_to_bytes(outcome: &Outcome) -> Option<Bytes> {
    let kind = match outcome {
        Outcome::Task(task) => Kind::Task(row_to_message(task.as_ref())),
        Outcome::Completed { task, next_task } => {
            Kind::Completed(completion_to_message(task.as_ref(), next_task.as_ref()))
        }
        Outcome::Tasks(rows) => Kind::Tasks(durable::Rows {
            rows: rows.iter().map(|row| row_to_message(Some(row))).collect(),
        }),
        Outcome::Completions(results) => {
            let results = results.iter();
            let results = results.map(|Completion { task, next_task }| {
                completion_to_message(task.as_ref(), next_task.as_ref())
            });
            Kind::Completions(durable::Completions {
                results: results.collect(),
            })
        }
        Outcome::Schedule(schedule) => Kind::Schedule(durable::ScheduleIs {
            schedule: schedule.clone(),
        }),
        Outcome::TimedOut {
            tasks,
            resume: None,
        } => Kind::TimedOut(durable::TimedOut { tasks: *tasks }),
        Outcome::Bulk {
            matched,
            changed,
            after,
            is_done: true,
        } => Kind::BulkDone(durable::BulkDone {
            matched: *matched,
            changed: *changed,
            after: after.map_or_else(Bytes::new, |after| {
                Bytes::copy_from_slice(after.uuid.as_bytes())
            }),
            before_seq: after.map_or(0, |after| after.before_seq),
        }),
        Outcome::Queue(settings) => Kind::Queue(settings.clone()),
        Outcome::Refused(refusal) => Kind::Refusal(durable::Refusal {
            kind: Some(refusal_to_message(refusal)?),
        }),
        Outcome::TimedOut {
            resume: Some(_), ..
        }
        | Outcome::Bulk { is_done: false, .. }
        | Outcome::Expired { .. }
        | Outcome::Regrouped { .. }
        | Outcome::Ripened { .. }
        | Outcome::Forgotten { .. } => return None,
    };
    let message = durable::Outcome { kind: Some(kind) };
    Some(message.encode_to_vec().into())
}

/// The outcome behind an encoding.
///
/// # Errors
/// If it is none: the state is damaged, or of a newer version.
pub(super) fn outcome_from_bytes(bytes: &Bytes) -> Result<Outcome, StoreError> {
    let message = durable::Outcome::decode(bytes.clone());
    let message = message.map_err(|error| damaged(&error.to_string()))?;
    Ok(match message.kind.ok_or_else(unknown)? {
        Kind::Task(task) => Outcome::Task(row_from_message(Some(task))?),
        Kind::Completed(completed) => {
            let Completion { task, next_task } = completion_from_message(completed)?;
            Outcome::Completed { task, next_task }
        }
        Kind::Tasks(tasks) => {
            let rows = tasks.rows.into_iter().map(|row| {
                let row = row_from_message(Some(row))?;
                row.ok_or_else(|| damaged("a row without a task"))
            });
            Outcome::Tasks(rows.collect::<Result<_, _>>()?)
        }
        Kind::Completions(completions) => {
            let results = completions.results.into_iter();
            let results = results.map(completion_from_message);
            Outcome::Completions(results.collect::<Result<_, _>>()?)
        }
        Kind::Schedule(schedule) => Outcome::Schedule(schedule.schedule),
        Kind::TimedOut(timed_out) => Outcome::TimedOut {
            tasks: timed_out.tasks,
            resume: None,
        },
        Kind::BulkDone(done) => Outcome::Bulk {
            matched: done.matched,
            changed: done.changed,
            after: cursor_from_message(&done)?,
            is_done: true,
        },
        Kind::Queue(settings) => Outcome::Queue(settings),
        Kind::Refusal(refusal) => {
            Outcome::Refused(refusal_from_message(refusal.kind.ok_or_else(unknown)?)?)
        }
    })
}

fn cursor_from_message(done: &durable::BulkDone) -> Result<Option<Cursor>, StoreError> {
    if done.after.is_empty() {
        return Ok(None);
    }
    let uuid = Uuid::from_slice(&done.after);
    let uuid = uuid.map_err(|_| damaged("a uuid of a wrong length"))?;
    let before_seq = done.before_seq;
    Ok(Some(Cursor { uuid, before_seq }))
}

fn completion_to_message(task: Option<&Row>, next_task: Option<&Row>) -> durable::Completion {
    durable::Completion {
        task: Some(row_to_message(task)),
        next_task: Some(row_to_message(next_task)),
    }
}

fn completion_from_message(message: durable::Completion) -> Result<Completion, StoreError> {
    Ok(Completion {
        task: row_from_message(message.task)?,
        next_task: row_from_message(message.next_task)?,
    })
}

fn row_to_message(row: Option<&Row>) -> durable::Row {
    durable::Row {
        task: row.map(|row| task_to_message(row)),
        is_archived: matches!(row, Some(Row::Archived(_))),
    }
}

fn row_from_message(row: Option<durable::Row>) -> Result<Option<Row>, StoreError> {
    let Some(durable::Row { task, is_archived }) = row else {
        return Ok(None);
    };
    let task = task.map(task_from_message).transpose()?;
    Ok(task.map(|task| match is_archived {
        true => Row::Archived(task),
        false => Row::Live(task),
    }))
}

fn refusal_to_message(refusal: &Refusal) -> Option<refusal::Kind> {
    let bytes_of = |uuid: &Uuid| Bytes::copy_from_slice(uuid.as_bytes());
    match refusal {
        Refusal::StaleAttempt {
            uuid,
            attempt,
            worker,
        } => Some(refusal::Kind::StaleAttempt(durable::StaleAttempt {
            uuid: bytes_of(uuid),
            attempt: *attempt,
            worker: worker.to_string(),
        })),
        Refusal::UuidTaken { uuid } => Some(refusal::Kind::UuidTaken(bytes_of(uuid))),
        Refusal::KeyTaken {
            uuid,
            unique_key,
            holder,
        } => Some(refusal::Kind::KeyTaken(durable::KeyTaken {
            uuid: bytes_of(uuid),
            unique_key: unique_key.to_string(),
            holder: bytes_of(holder),
        })),
        Refusal::TooManySchedules { limit } => Some(refusal::Kind::TooManySchedules(*limit)),
        // Later there may be room.
        Refusal::QueueFull { .. }
        | Refusal::TooManyQueues { .. }
        | Refusal::KeyReused
        | Refusal::Malformed { .. } => None,
    }
}

fn refusal_from_message(refusal: refusal::Kind) -> Result<Refusal, StoreError> {
    let uuid_of = |bytes: &Bytes| {
        let uuid = Uuid::from_slice(bytes);
        uuid.map_err(|_| damaged("a uuid of a wrong length"))
    };
    Ok(match refusal {
        refusal::Kind::StaleAttempt(stale) => Refusal::StaleAttempt {
            uuid: uuid_of(&stale.uuid)?,
            attempt: stale.attempt,
            worker: stale.worker.into(),
        },
        refusal::Kind::UuidTaken(uuid) => Refusal::UuidTaken {
            uuid: uuid_of(&uuid)?,
        },
        refusal::Kind::TooManySchedules(limit) => Refusal::TooManySchedules { limit },
        refusal::Kind::KeyTaken(taken) => Refusal::KeyTaken {
            uuid: uuid_of(&taken.uuid)?,
            unique_key: taken.unique_key.into(),
            holder: uuid_of(&taken.holder)?,
        },
    })
}

fn unknown() -> StoreError {
    damaged("it is of a kind that this version does not know")
}

fn damaged(detail: &str) -> StoreError {
    StoreError::damaged("a remembered answer", detail)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::record::Deadline;
    use crate::store::testing::task;

    fn archived() -> Row {
        let mut task = task(8);
        task.payload = Bytes::new();
        task.request_digest = 0;
        Row::Archived(Arc::new(task))
    }

    /// What acts on many tasks, schedules and queues come to.
    fn remembered_acts() -> Vec<Outcome> {
        let uuid = Uuid::from_u128(5);
        vec![
            Outcome::Bulk {
                matched: 3,
                changed: 2,
                after: None,
                is_done: true,
            },
            Outcome::Bulk {
                matched: 3,
                changed: 2,
                after: Some(Cursor {
                    uuid,
                    before_seq: 7,
                }),
                is_done: true,
            },
            Outcome::Schedule(None),
            Outcome::Schedule(Some(Bytes::from_static(b"schedule"))),
            Outcome::Refused(Refusal::TooManySchedules { limit: 7 }),
            Outcome::Queue(durable::QueueSettings {
                max_in_flight: 3,
                ..Default::default()
            }),
        ]
    }

    fn remembered() -> Vec<Outcome> {
        let live = || Row::Live(Arc::new(task(7)));
        let uuid = Uuid::from_u128(5);
        let mut outcomes = remembered_acts();
        outcomes.extend([
            Outcome::Task(None),
            Outcome::Task(Some(live())),
            Outcome::Task(Some(archived())),
            Outcome::Completed {
                task: None,
                next_task: None,
            },
            Outcome::Completed {
                task: Some(archived()),
                next_task: None,
            },
            Outcome::Completed {
                task: Some(archived()),
                next_task: Some(live()),
            },
            Outcome::TimedOut {
                tasks: 0,
                resume: None,
            },
            Outcome::TimedOut {
                tasks: u64::MAX,
                resume: None,
            },
            Outcome::Tasks(Vec::new()),
            Outcome::Tasks(vec![live(), archived()]),
            Outcome::Completions(vec![
                Completion {
                    task: Some(archived()),
                    next_task: Some(live()),
                },
                Completion {
                    task: None,
                    next_task: None,
                },
            ]),
            Outcome::Refused(Refusal::UuidTaken { uuid }),
            Outcome::Refused(Refusal::KeyTaken {
                uuid,
                unique_key: "k".into(),
                holder: Uuid::from_u128(6),
            }),
            Outcome::Refused(Refusal::StaleAttempt {
                uuid,
                attempt: 3,
                worker: "w".into(),
            }),
        ]);
        outcomes
    }

    #[test]
    fn what_is_remembered_comes_back() {
        for outcome in remembered() {
            let bytes = outcome_to_bytes(&outcome).unwrap();
            assert_eq!(outcome_from_bytes(&bytes).unwrap(), outcome);
        }
    }

    #[test]
    fn the_rest_is_not_remembered() {
        let others = [
            Outcome::TimedOut {
                tasks: 1,
                resume: Some(Deadline { at_ns: 1, seq: 1 }),
            },
            Outcome::Expired {
                tasks: 1,
                more: false,
            },
            Outcome::Ripened {
                tasks: 1,
                more: false,
            },
            Outcome::Regrouped {
                tasks: 1,
                more: false,
            },
            Outcome::Forgotten {
                answers: 1,
                more: false,
            },
            Outcome::Bulk {
                matched: 1,
                changed: 1,
                after: Some(Cursor {
                    uuid: Uuid::max(),
                    before_seq: 1,
                }),
                is_done: false,
            },
            Outcome::Refused(Refusal::KeyReused),
            Outcome::Refused(Refusal::QueueFull {
                queue: "q".into(),
                max_waiting: 1,
            }),
            Outcome::Refused(Refusal::TooManyQueues { limit: 1 }),
            Outcome::Refused(Refusal::Malformed { reason: "" }),
        ];
        for outcome in others {
            assert_eq!(outcome_to_bytes(&outcome), None, "{outcome:?}");
        }
    }

    #[test]
    fn damage_is_noticed() {
        for outcome in remembered() {
            let bytes = outcome_to_bytes(&outcome).unwrap();
            assert!(outcome_from_bytes(&bytes.slice(..1)).is_err());
        }
        assert!(outcome_from_bytes(&Bytes::new()).is_err());
        let short = durable::Outcome {
            kind: Some(Kind::Refusal(durable::Refusal {
                kind: Some(refusal::Kind::UuidTaken(Bytes::from_static(&[1; 15]))),
            })),
        };
        assert!(outcome_from_bytes(&short.encode_to_vec().into()).is_err());
    }
}
