//! Keys and values of the checkpoint's trees: refused, or the same again once they are written and read.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::files::figure;
use super::{remembered, tasks};
use crate::fuzz::{Input, Output, fuzz_target};
use crate::store::controls::{Controls, PACES, SETTINGS};
use crate::store::counts::LineCount;
use crate::store::documents::{DocumentKey, Documents};
use crate::store::durable::Record;
use crate::store::figures;
use crate::store::keys::chunk::{self, IndexKey};
use crate::store::keys::{
    Answers, Archive, Buckets, DocumentRows, Expiries, FigureRows, Head, Keyspace, LineCounts,
    Live, StoredHeader, Tree, Unique,
};
use crate::store::record::{Bucket, BucketKey, Deadline, Place, Ripening, Task};

fuzz_target!(
    /// A tree, a key and a value.
    checkpoint_row, 20_000, seeds, run
);
fuzz_target!(
    /// The documents that are read when a node starts.
    queue_documents, 10_000, document_seeds, documents_run
);

fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (tree, key, value) = (input.byte(), input.chunk(), input.rest());
    match Tree::from_number(tree) {
        None => {}
        Some(Tree::Live) => task::<Live>(key, value),
        Some(Tree::Archive) => task::<Archive>(key, value),
        Some(Tree::Ready) => packed::<Place>(key, value),
        Some(Tree::Deadlines) => packed::<Deadline>(key, value),
        Some(Tree::Delayed) => packed::<Ripening>(key, value),
        Some(Tree::Buckets) => drop(row::<Buckets>(key, value)),
        Some(Tree::Counts) => drop(row::<LineCounts>(key, value)),
        Some(Tree::Header) => drop(row::<Head>(key, value)),
        Some(Tree::Unique) => drop(row::<Unique>(key, value)),
        Some(Tree::Answers) => {
            if let (Some(key), Some(answer)) = row::<Answers>(key, value) {
                assert_eq!(
                    answer.footprint(&key).outcome_bytes,
                    answer.outcome.len() as u64
                );
                assert_eq!(
                    again(&Record::Answer(key.clone(), answer.clone())),
                    Record::Answer(key, answer)
                );
            }
        }
        Some(Tree::Expiries) => drop(row::<Expiries>(key, value)),
        Some(Tree::Documents) => drop(row::<DocumentRows>(key, value)),
        Some(Tree::Figures) => figure_row(key, value),
    }
}

fn row<S: Keyspace<Key: PartialEq + Debug, Value: PartialEq + Debug>>(
    key: &[u8],
    value: &[u8],
) -> (Option<S::Key>, Option<S::Value>) {
    let key = S::parse_key(key).ok();
    if let Some(key) = &key {
        assert_eq!(&S::parse_key(&S::key(key)).unwrap(), key);
    }
    let value = S::parse_value(value).ok();
    if let Some(value) = &value {
        assert_eq!(&S::parse_value(&S::value(value).unwrap()).unwrap(), value);
    }
    (key, value)
}

fn task<S: Keyspace<Key = Uuid, Value = Arc<Task>>>(key: &[u8], value: &[u8]) {
    let (_, Some(task)) = row::<S>(key, value) else {
        return;
    };
    assert!(task.loose_bytes() <= value.len());
    assert_eq!(
        task.history.newest_first().count(),
        task.history.kept() as usize
    );
    assert_eq!(task.is_in_flight(), task.claimed_ns != 0);
    let snapshot = Record::Live(task.clone());
    let Record::Live(read) = again(&snapshot) else {
        panic!("another kind");
    };
    assert_eq!(
        (read.hash(), read.deadline()),
        (task.hash(), task.deadline())
    );
    assert_eq!(read, task);
}

fn figure_row(key: &[u8], value: &[u8]) {
    if let (Some(key), Some(cell)) = row::<FigureRows>(key, value) {
        let snapshot = Record::Figure(key.clone(), Box::new(cell.clone()));
        assert_eq!(again(&snapshot), snapshot);
        figures::hash(&key, &cell);
        // Answers are made of what is kept, whatever it is.
        let mut sum = cell.clone();
        sum.merge(&cell);
        for histogram in [sum.waited(), sum.worked()] {
            histogram.mean_us();
            assert!(histogram.quantile_us(99) <= histogram.max_us());
        }
    }
}

/// A row through a snapshot.
fn again(record: &Record) -> Record {
    Record::from_message(record.to_message()).unwrap()
}

fn packed<K: IndexKey + Debug>(key: &[u8], value: &[u8]) {
    let Ok(chunk) = chunk::decode::<K>(key, value) else {
        return;
    };
    assert_eq!(chunk::encode(&chunk.entries), value);
    assert!(chunk.key <= chunk.entries[0].0);
    assert!(chunk.entries.is_sorted_by(|(a, _), (b, _)| a < b));
}

fn seed(tree: Tree, key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut seed = Output::default();
    seed.byte(tree.number()).chunk(key).rest(value);
    seed.bytes()
}

fn seed_of<S: Keyspace>(key: &S::Key, value: &S::Value) -> Vec<u8> {
    seed(S::TREE, &S::key(key), &S::value(value).unwrap())
}

fn packed_seed<K: IndexKey>(entries: &[(K, Uuid)]) -> Vec<u8> {
    let mut key = Vec::new();
    entries[0].0.write(&mut key);
    seed(K::TREE, &key, &chunk::encode(entries))
}

fn seeds() -> Vec<Vec<u8>> {
    let uuid = Uuid::from_u128(7);
    let mut seeds = Vec::new();
    for task in tasks() {
        let entries = [(task.place(), uuid)];
        seeds.push(packed_seed(&entries));
        seeds.push(seed_of::<Live>(&task.uuid, &Arc::new(task.clone())));
        let uuid = task.uuid;
        seeds.push(seed_of::<Archive>(&uuid, &Arc::new(task)));
    }
    let (at_ns, seq) = (5, 6);
    seeds.push(packed_seed(&[
        (Deadline { at_ns, seq }, uuid),
        (Deadline { at_ns, seq: 7 }, uuid),
    ]));
    seeds.push(packed_seed(&[(Ripening { at_ns, seq }, uuid)]));
    let bucket = Bucket {
        archived_ns: 5,
        hash_sum: 6,
        uuids: vec![uuid],
    };
    for queue in ["", "queue"] {
        let key = BucketKey {
            queue: queue.into(),
            index: 3,
        };
        seeds.push(seed_of::<Buckets>(&key, &bucket));
    }
    let count = LineCount {
        live: 3,
        delayed: 2,
        in_flight: 1,
    };
    let names = ("queue".into(), "state".into());
    seeds.push(seed_of::<LineCounts>(&names, &count));
    seeds.push(seed_of::<Unique>(&names, &uuid));
    seeds.push(seed_of::<Head>(&(), &StoredHeader::default()));
    let mut later = StoredHeader::default();
    later.header.totals.failed = 300;
    seeds.push(seed_of::<Head>(&(), &later));
    let (name, answer) = ("key".into(), remembered());
    seeds.push(seed_of::<Expiries>(
        &answer.expiry(&name),
        &answer.footprint(&name),
    ));
    seeds.push(seed_of::<Answers>(&name, &Arc::new(answer)));
    let (key, cell) = figure();
    seeds.push(seed_of::<FigureRows>(&key, &cell));
    let key = DocumentKey { kind: 1, name };
    seeds.push(seed_of::<DocumentRows>(
        &key,
        &Bytes::from_static(b"document"),
    ));
    seeds
}

fn documents_run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut rows = BTreeMap::new();
    while !input.is_empty() {
        let (kind, name) = (input.byte(), input.text().as_str().into());
        let value = Bytes::copy_from_slice(input.chunk());
        rows.insert(DocumentKey { kind, name }, value);
    }
    let documents = Documents::new(rows);
    let Ok(controls) = Controls::read(&documents) else {
        return;
    };
    let settings: Vec<_> = documents.of_kind(SETTINGS).map(|(name, _)| name).collect();
    let controlled: Vec<_> = controls.all().map(|(name, _)| name).collect();
    assert_eq!(controlled, settings);
    for (_, control) in controls.all() {
        assert!(control.group_limit() > 0);
    }
}

fn document_seeds() -> Vec<Vec<u8>> {
    use prost::Message;

    use crate::proto::durable::{Pace, QueueSettings, Regrouping};
    let settings = QueueSettings {
        is_paused: true,
        max_in_flight: 3,
        group_by: "customer".into(),
        max_in_flight_per_group: 1,
        regrouping: Some(Regrouping::default()),
        ..QueueSettings::default()
    };
    let pace = Pace { rested_ns: 7 };
    let mut seed = Output::default();
    seed.byte(SETTINGS)
        .chunk(b"queue")
        .chunk(&settings.encode_to_vec());
    seed.byte(PACES)
        .chunk(b"queue")
        .chunk(&pace.encode_to_vec());
    vec![seed.bytes()]
}
