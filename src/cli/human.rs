//! Messages for people: aligned `key: value` lines.

use std::collections::BTreeMap;
use std::fmt::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost_types::Timestamp;

use crate::proto::v1alpha1::Task;

const INDENT: &str = "  ";

/// Lines of `key: value` with the values in one column.
pub fn lines<K: AsRef<str>>(pairs: &[(K, String)]) -> String {
    let width = pairs
        .iter()
        .map(|(key, _)| key.as_ref().chars().count())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for (key, value) in pairs {
        let key = format!("{}:", key.as_ref());
        // Further lines of a value stand below its first.
        let value = value.replace('\n', &format!("\n{:width$}", "", width = width + 2));
        let line = format!("{key:<width$} {value}", width = width + 1);
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A heading and what belongs to it.
pub fn section(heading: &str, body: &str) -> String {
    let mut text = format!("{heading}:\n");
    for line in body.lines() {
        _ = writeln!(text, "{INDENT}{line}");
    }
    text
}

/// Names with their counts.
pub fn counts(counts: &BTreeMap<String, i64>) -> String {
    let pairs: Vec<_> = counts
        .iter()
        .map(|(name, count)| (safe(name), count.to_string()))
        .collect();
    lines(&pairs)
}

/// Several blocks, with an empty line between two.
pub fn blocks(blocks: impl IntoIterator<Item = String>) -> String {
    blocks.into_iter().collect::<Vec<_>>().join("\n")
}

/// Rows with their columns aligned.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
    };
    let widths: Vec<usize> = (0..columns)
        .map(|column| width(column).unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        _ = writeln!(text, "{}", cells.join(INDENT).trim_end());
    }
    text
}

/// A task, without what it does not use of the fields that came later.
pub fn task(task: &Task) -> String {
    let mut pairs = vec![
        ("uuid", safe(&task.uuid)),
        ("queue", safe(&task.queue)),
        ("current_state", safe(&task.current_state)),
        ("auto_target_state", safe(&task.auto_target_state)),
        ("submit_time", time(task.submit_time)),
        ("update_time", time(task.update_time)),
        (
            "timeout",
            if task.timeout == 0 {
                "none".to_owned()
            } else {
                duration(task.timeout)
            },
        ),
        ("priority", task.priority.to_string()),
        ("attempt", task.attempt.to_string()),
    ];
    let mut used = |used: bool, key, value: String| {
        if used {
            pairs.push((key, value));
        }
    };
    used(!task.worker.is_empty(), "worker", safe(&task.worker));
    used(task.expires_at != 0, "expires_at", time(task.expires_at));
    used(task.not_before != 0, "not_before", time(task.not_before));
    used(
        !task.unique_key.is_empty(),
        "unique_key",
        safe(&task.unique_key),
    );
    used(
        task.claim_timeout != 0,
        "claim_timeout",
        duration(task.claim_timeout),
    );
    used(
        task.max_attempts != 0,
        "max_attempts",
        task.max_attempts.to_string(),
    );
    let (key, payload) = payload(&task.payload);
    used(!task.payload.is_empty(), key, payload);
    let mut text = lines(&pairs);
    if !task.metadata.is_empty() {
        let metadata: Vec<_> = task
            .metadata
            .iter()
            .map(|(key, value)| (safe(key), safe(value)))
            .collect();
        text.push_str(&section("metadata", &lines(&metadata)));
    }
    text
}

/// Text without what would move a terminal's cursor.
pub fn safe(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            safe.extend(c.escape_debug())
        } else {
            safe.push(c)
        }
    }
    safe
}

fn payload(payload: &[u8]) -> (&'static str, String) {
    let printable = |c: char| !c.is_control() || c == '\n' || c == '\t';
    match std::str::from_utf8(payload) {
        Ok(text) if text.chars().all(printable) => ("payload", text.to_owned()),
        _ => ("payload_base64", STANDARD.encode(payload)),
    }
}

/// A time as people read it.
pub fn time(nanoseconds: i64) -> String {
    const SECOND: i64 = 1_000_000_000;
    let seconds = nanoseconds.div_euclid(SECOND);
    // Less than a second: it fits.
    let nanos = i32::try_from(nanoseconds.rem_euclid(SECOND)).unwrap_or(0);
    Timestamp { seconds, nanos }.to_string()
}

/// `1d2h3m4s`, without the parts that are 0.
fn duration(seconds: i64) -> String {
    let mut rest = seconds.unsigned_abs();
    let mut text = if seconds < 0 {
        "-".to_owned()
    } else {
        String::new()
    };
    for (unit, length) in [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)] {
        if rest >= length {
            _ = write!(text, "{}{unit}", rest / length);
            rest %= length;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{duration, section, table, task, time};
    use crate::proto::v1alpha1::Task;

    #[test]
    fn a_task_is_shown_with_what_it_uses() {
        let mut shown = Task {
            uuid: "u".into(),
            queue: "q\x1b".into(),
            current_state: "submitted".into(),
            auto_target_state: "submitted-working".into(),
            submit_time: 1_500_000_000,
            priority: -1,
            ..Task::default()
        };
        let plain = "\
uuid:              u
queue:             q\\u{1b}
current_state:     submitted
auto_target_state: submitted-working
submit_time:       1970-01-01T00:00:01.500Z
update_time:       1970-01-01T00:00:00Z
timeout:           none
priority:          -1
attempt:           0
";
        assert_eq!(task(&shown), plain);
        shown.worker = "w".into();
        shown.claim_timeout = 90;
        shown.payload = "{\n}".into();
        shown.metadata = BTreeMap::from([("k".into(), "v".into())]);
        let more = "\
worker:            w
claim_timeout:     1m30s
payload:           {
                   }
metadata:
  k: v
";
        assert_eq!(task(&shown), format!("{plain}{more}"));
        shown.payload = vec![0xff].into();
        assert!(task(&shown).contains("payload_base64:    /w==\n"));
    }

    #[test]
    fn pieces() {
        assert_eq!(duration(90_061), "1d1h1m1s");
        assert_eq!(duration(600), "10m");
        assert_eq!(duration(-5), "-5s");
        assert_eq!(time(-1), "1969-12-31T23:59:59.999999999Z");
        assert_eq!(section("a", "b\nc\n"), "a:\n  b\n  c\n");
        let rows = [
            vec!["id".to_owned(), "x".to_owned()],
            vec!["1".to_owned(), "yy".to_owned()],
        ];
        assert_eq!(table(&rows), "id  x\n1   yy\n");
    }
}
