//! Tasks: uuid → row. Live and archived ones, whose payload is gone, each in a tree of their own.

use std::sync::Arc;

use uuid::Uuid;

use super::codec::{decode_task, encode_task, fixed};
use super::{Keyspace, Tree};
use crate::store::record::Task;
use crate::store::view::Result;

/// Live tasks.
pub type Live = Tasks<false>;
/// Archived tasks.
pub type Archive = Tasks<true>;

/// Tasks by uuid.
#[derive(Debug)]
pub struct Tasks<const ARCHIVED: bool>;

impl<const ARCHIVED: bool> Tasks<ARCHIVED> {
    const WHAT: &'static str = if ARCHIVED {
        "checkpoint, archive"
    } else {
        "checkpoint, live tasks"
    };
}

impl<const ARCHIVED: bool> Keyspace for Tasks<ARCHIVED> {
    type Key = Uuid;
    type Value = Arc<Task>;
    const TREE: Tree = if ARCHIVED { Tree::Archive } else { Tree::Live };

    fn key(key: &Uuid) -> Vec<u8> {
        key.as_bytes().to_vec()
    }

    fn parse_key(bytes: &[u8]) -> Result<Uuid> {
        Ok(Uuid::from_bytes(fixed(Self::WHAT, bytes)?))
    }

    fn value(value: &Arc<Task>) -> Result<Vec<u8>> {
        encode_task(value)
    }

    fn parse_value(bytes: &[u8]) -> Result<Arc<Task>> {
        decode_task(Self::WHAT, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::history::{History, Transition, TransitionKind};
    use crate::store::keys::testing::{check_golden, check_keys, check_value};
    use crate::store::record::{Backoff, Extras};
    use crate::store::testing::{full_task, newest_task, task};

    #[test]
    fn round_trip() {
        check_keys::<Live>(&[0, 1, u128::MAX, 1 << 127, 256].map(Uuid::from_u128));
        check_keys::<Archive>(&[0, 1, u128::MAX, 1 << 127, 256].map(Uuid::from_u128));
        check_value::<Live>(&Arc::new(task(7)));
        check_value::<Archive>(&Arc::new(task(7)));
        check_value::<Live>(&Arc::new(full_task(7)));
        check_value::<Archive>(&Arc::new(full_task(7)));
    }

    #[test]
    fn golden() {
        let golden = concat!(
            "010000000000000007700000000000000007057175657565097375626d697474",
            "6564117375626d69747465642d776f726b696e67fd0000546cfc392f2ffd0200",
            "546cfc392f2f7805077061796c6f61640406776f726b65723cfe000000000000",
            "00000000000010000000",
        );
        check_golden::<Live>(&Arc::new(task(7)), golden);
        check_golden::<Archive>(&Arc::new(task(7)), golden);
    }

    /// Rows of the first version are still read, and written where nothing needs the second one.
    #[test]
    fn golden_with_later_fields() {
        let golden = concat!(
            "020000000000000007700000000000000007057175657565097375626d697474",
            "6564117375626d69747465642d776f726b696e67fd0000546cfc392f2ffd0200",
            "546cfc392f2f7805077061796c6f61640406776f726b65723cfe000000000000",
            "00000000000010000000fd00006827edc4f5310a0106756e6971756502036b65",
            "790576616c7565046c65657200",
        );
        check_golden::<Live>(&Arc::new(full_task(7)), golden);
        check_golden::<Archive>(&Arc::new(full_task(7)), golden);
    }

    #[test]
    fn golden_with_the_newest_fields() {
        let golden = concat!(
            "030000000000000007700000000000000007057175657565097375626d697474",
            "6564117375626d69747465642d776f726b696e67fd0000546cfc392f2ffd0200",
            "546cfc392f2f7805077061796c6f61640406776f726b65723cfe000000000000",
            "00000000000010000000fd00006827edc4f5310a0106756e6971756502036b65",
            "790576616c7565046c65657200fd0400546cfc392f2f0567726f7570060102fb",
            "b004fb900114056572726f7201030105666972737402010104fc009435770202",
            "0200fd001c59791b00000000",
        );
        check_golden::<Live>(&Arc::new(newest_task(7)), golden);
        check_golden::<Archive>(&Arc::new(newest_task(7)), golden);
    }

    /// The archive is most of what is on disk.
    #[test]
    fn a_history_takes_little_room() {
        let transition = |kind, at_ns, from: &str, worker: &str| Transition {
            at_ns,
            kind,
            from: from.into(),
            worker: worker.into(),
            attempt: 1,
        };
        let plain = Task {
            current_state: "completed".into(),
            auto_target_state: "completed".into(),
            attempt: 1,
            ..task(7)
        };
        let transitions = [
            transition(
                TransitionKind::Claimed,
                plain.submit_time_ns + 3_600_000_000_000,
                "submitted",
                "worker",
            ),
            transition(
                TransitionKind::Completed,
                plain.submit_time_ns + 3_700_000_000_000,
                "submitted-working",
                "worker",
            ),
        ];
        let told = Task {
            history: History::from_oldest(0, transitions),
            ..plain.clone()
        };
        let bytes = |task: &Task| Archive::value(&Arc::new(task.clone())).unwrap().len();
        assert!(
            bytes(&told) - bytes(&plain) <= 70,
            "{}",
            bytes(&told) - bytes(&plain)
        );
        assert!(told.memory_bytes() <= plain.memory_bytes() + 200);
    }

    #[test]
    fn a_history_that_names_what_is_not_there_is_damage() {
        let bytes = Live::value(&Arc::new(newest_task(7))).unwrap();
        let tail = bytes.len() - 22;
        // The kind of the first transition, and the places of its two names.
        for at in [tail, tail + 1, tail + 2] {
            let mut damaged = bytes.clone();
            assert!(damaged[at] < 9, "{damaged:?}");
            damaged[at] = 99;
            assert!(Live::parse_value(&damaged).is_err(), "{at}");
        }
    }

    #[test]
    fn each_of_the_newest_fields_is_kept() {
        let with = |extras: Extras| Task {
            extras: extras.shared(),
            ..task(7)
        };
        let each = [
            Task {
                claimed_ns: 1,
                ..task(7)
            },
            Task {
                history: newest_task(7).history,
                ..task(7)
            },
            with(Extras {
                group: "group".into(),
                ..Extras::default()
            }),
            with(Extras {
                backoff: Some(Backoff::from([1, 0, 100, 0])),
                ..Extras::default()
            }),
            with(Extras {
                spared_attempts: 1,
                ..Extras::default()
            }),
            with(Extras {
                last_error: "error".into(),
                ..Extras::default()
            }),
        ];
        let plain = task(7).hash();
        for task in each {
            assert_ne!(task.hash(), plain);
            check_value::<Live>(&Arc::new(task));
        }
    }

    #[test]
    fn each_later_field_is_kept() {
        let full = full_task(7);
        let each = [
            Task {
                not_before_ns: full.not_before_ns,
                ..task(7)
            },
            Task {
                max_attempts: 1,
                ..task(7)
            },
            Task {
                is_delayed: true,
                ..task(7)
            },
            Task {
                extras: full.extras.clone(),
                ..task(7)
            },
        ];
        let plain = task(7).hash();
        for task in each {
            assert_ne!(task.hash(), plain);
            check_value::<Live>(&Arc::new(task));
        }
    }
}
