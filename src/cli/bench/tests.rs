use super::ledger::{Ledger, Wrong};
use super::measure::Meters;
use super::plan::{Mode, Phase, Workload};
use super::report::{Line, Operation, grouped, table};
use super::seconds;
use std::time::Duration;

#[test]
fn each_task_must_come_once() {
    let ledger = Ledger::new(7, 20);
    let (first, second) = (ledger.issue(), ledger.issue());
    ledger.submitted();
    ledger.submitted();
    assert_eq!((first.len(), ledger.waiting()), (20, 2));
    assert_eq!(ledger.claimed(&second), Ok(()));
    assert_eq!(ledger.claimed(&second), Err(Wrong::Twice));
    assert_eq!(ledger.claimed(&first), Ok(()));
    assert_eq!((ledger.claims(), ledger.waiting()), (2, 0));
}

#[test]
fn tasks_of_others_are_unknown() {
    let ledger = Ledger::new(7, 20);
    let ours = ledger.issue();
    let other_run = Ledger::new(8, 20).issue();
    let never_issued = {
        let later = Ledger::new(7, 20);
        later.issue();
        later.issue()
    };
    for payload in [&other_run[..], &never_issued, &ours[..19], &ours[..3], b""] {
        assert_eq!(ledger.claimed(payload), Err(Wrong::Unknown));
    }
    assert_eq!(ledger.claims(), 0);
}

#[test]
fn all_lifecycles_share_a_backlog() {
    let workload = Workload {
        mode: Mode::All,
        workers: vec![1, 2],
        backlog: 9,
    };
    let steps: Vec<_> = workload.steps();
    let steps: Vec<_> = steps
        .iter()
        .map(|step| (step.phase, step.workers, step.shown))
        .collect();
    let expected = [
        (Phase::Submit, 1, true),
        (Phase::Drain, 1, true),
        (Phase::Submit, 2, true),
        (Phase::Drain, 2, true),
        (Phase::Fill(9), 64, false),
        (Phase::Lifecycle, 1, true),
        (Phase::Lifecycle, 2, true),
        (Phase::Drain, 64, false),
    ];
    assert_eq!(steps, expected);
}

#[test]
fn meters_add_up() {
    let meters = Meters::new(Phase::Drain, 2).unwrap();
    for worker in 0..4 {
        meters.at(worker, |meter| {
            meter.record(2, Duration::from_millis(worker as u64 + 1));
            meter.tasks += 1;
        });
    }
    let total = meters.total().unwrap();
    assert_eq!((total.tasks, meters.tasks()), (4, 4));
    let lengths: Vec<u64> = total.operations.iter().map(|op| op.len()).collect();
    assert_eq!(lengths, [0, 0, 4]);
    assert_eq!(meters.recent().unwrap().len(), 4);
    assert_eq!(meters.recent().unwrap().len(), 0);
    assert_eq!(meters.total().unwrap().operations[2].len(), 4);
}

#[test]
fn a_table_and_a_line() {
    let operation = |name| Operation {
        name,
        count: 3,
        p50_us: 1500,
        p99_us: 20_000,
        p999_us: 30_000,
        max_us: 1_234_567,
    };
    let line = Line {
        phase: "drain",
        workers: 64,
        connections: 8,
        payload_bytes: 128,
        waiting: 0,
        seconds: 2.0,
        tasks: 24_690,
        tasks_per_second: 12_345.0,
        cut_short: false,
        duplicates: 0,
        unknown: 0,
        missing: 0,
        operations: vec![operation("claim"), operation("complete")],
    };
    let json = serde_json::to_value(&line).unwrap();
    assert_eq!(json["operations"]["claim"]["p50_us"], 1500);
    let expected = "\
phase      workers    tasks/s  operation    p50 ms    p99 ms  p99.9 ms    max ms
drain           64     12,345  claim         1.500    20.000    30.000  1234.567
                               complete      1.500    20.000    30.000  1234.567
";
    assert_eq!(table(&[line]), expected);
}

#[test]
fn numbers() {
    assert_eq!(grouped(0), "0");
    assert_eq!(grouped(999), "999");
    assert_eq!(grouped(1_234_567), "1,234,567");
    assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
    for wrong in ["0", "-1", "NaN", "inf", "1e7", "", "5s"] {
        assert!(seconds(wrong).is_err(), "{wrong}");
    }
}
