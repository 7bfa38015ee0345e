//! The limits of the contract, checked before anything is proposed.

use std::fmt::Display;
use std::ops::RangeInclusive;

use uuid::Uuid;

use super::status::Invalid;
use crate::proto::v1alpha1::RetryBackoff;

/// The longest queue, state or worker, in bytes.
const MAX_NAME_BYTES: usize = 255;
/// The longest wait of a claim.
const MAX_WAIT_MS: i64 = 60_000;
/// The most tasks of one batch.
const MAX_BATCH_TASKS: usize = 1000;
/// The most queues of one claim.
const MAX_QUEUES: usize = 100;
/// The most entries of a task's metadata.
const MAX_METADATA_ENTRIES: usize = 64;
/// The most bytes of a task's metadata, keys and values together.
const MAX_METADATA_BYTES: usize = 16 << 10;
/// The longest wait for a next attempt, in seconds: 365 days.
pub const MAX_RETRY_S: i64 = 365 * 24 * 3600;
/// What a backoff's waits may grow by from one to the next.
const FACTOR_PERCENT: RangeInclusive<i64> = 100..=10_000;
/// The longest message of a failure.
const MAX_MESSAGE_BYTES: usize = 1024;

/// What checks return: the error names the field.
pub type Checked<T = ()> = Result<T, Invalid>;

/// Refuses a field, and says what it must be.
///
/// # Errors
/// Always.
pub fn invalid<T>(field: &str, limit: impl Into<String>) -> Checked<T> {
    Err(Invalid {
        field: field.to_owned(),
        limit: limit.into(),
    })
}

/// A queue, state, worker or key: bounded, without control characters.
pub fn name(field: &str, name: &str) -> Checked {
    if name.len() > MAX_NAME_BYTES {
        let limit = format!("at most {MAX_NAME_BYTES} bytes, got {}", name.len());
        return invalid(field, limit);
    }
    if name.chars().any(char::is_control) {
        return invalid(field, "must hold no control characters");
    }
    Ok(())
}

/// A uuid in any usual form.
pub fn uuid(field: &str, text: &str) -> Checked<Uuid> {
    Uuid::try_parse(text).or_else(|_| invalid(field, "must be a uuid"))
}

/// A number that can't be negative.
pub fn not_negative(field: &str, number: i64) -> Checked {
    if number < 0 {
        return invalid(field, format!("must not be negative, got {number}"));
    }
    Ok(())
}

/// A payload under the server's limit.
pub fn payload(field: &str, payload: &[u8], max_bytes: usize) -> Checked {
    if payload.len() > max_bytes {
        let limit = format!("at most {max_bytes} bytes, got {}", payload.len());
        return invalid(field, limit);
    }
    Ok(())
}

/// How long a claim may wait.
pub fn wait_ms(field: &str, wait_ms: i64) -> Checked {
    if !(0..=MAX_WAIT_MS).contains(&wait_ms) {
        return invalid(
            field,
            format!("must be from 0 to {MAX_WAIT_MS}, got {wait_ms}"),
        );
    }
    Ok(())
}

/// The queues of one claim.
pub fn queues(field: &str, queues: &[String]) -> Checked {
    if queues.len() > MAX_QUEUES {
        return invalid(field, format!("at most {MAX_QUEUES}, got {}", queues.len()));
    }
    queues.iter().try_for_each(|queue| name(field, queue))
}

/// How many tasks a batch holds, or asks for.
pub fn batch(field: &str, tasks: impl TryInto<usize> + Display + Copy) -> Checked {
    match tasks.try_into() {
        Ok(1..=MAX_BATCH_TASKS) => Ok(()),
        _ => invalid(
            field,
            format!("must be from 1 to {MAX_BATCH_TASKS}, got {tasks}"),
        ),
    }
}

/// A number within a range.
pub fn range(field: &str, range: RangeInclusive<i64>, number: i64) -> Checked {
    if range.contains(&number) {
        return Ok(());
    }
    let (from, to) = (range.start(), range.end());
    invalid(field, format!("must be from {from} to {to}, got {number}"))
}

/// How long the next attempt of a task waits.
pub fn backoff(field: &str, backoff: &RetryBackoff) -> Checked {
    range(
        &format!("{field}.initial"),
        1..=MAX_RETRY_S,
        backoff.initial,
    )?;
    range(&format!("{field}.cap"), 0..=MAX_RETRY_S, backoff.cap)?;
    if backoff.factor_percent != 0 {
        let field = format!("{field}.factor_percent");
        range(&field, FACTOR_PERCENT, backoff.factor_percent)?;
    }
    let field = format!("{field}.jitter_percent");
    range(&field, 0..=100, backoff.jitter_percent)
}

/// How long the next attempt waits after a failure; -1 means that there is none.
pub fn retry_after(field: &str, seconds: i64) -> Checked {
    range(field, -1..=MAX_RETRY_S, seconds)
}

/// What a worker says of a failure.
pub fn message(field: &str, message: &str) -> Checked {
    if message.len() > MAX_MESSAGE_BYTES {
        let limit = format!("at most {MAX_MESSAGE_BYTES} bytes, got {}", message.len());
        return invalid(field, limit);
    }
    Ok(())
}

/// A task's metadata.
pub fn metadata<'a>(
    field: &str,
    entries: impl ExactSizeIterator<Item = (&'a String, &'a String)>,
) -> Checked {
    if entries.len() > MAX_METADATA_ENTRIES {
        let limit = format!(
            "at most {MAX_METADATA_ENTRIES} entries, got {}",
            entries.len()
        );
        return invalid(field, limit);
    }
    let mut bytes = 0;
    for (key, value) in entries {
        name(field, key)?;
        bytes += key.len() + value.len();
    }
    if bytes > MAX_METADATA_BYTES {
        return invalid(
            field,
            format!("at most {MAX_METADATA_BYTES} bytes, got {bytes}"),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_printable() {
        assert_eq!(name("queue", ""), Ok(()));
        assert_eq!(name("queue", &"x".repeat(255)), Ok(()));
        assert_eq!(name("queue", "größe ✓"), Ok(()));
        for bad in [
            "\0",
            "a\nb",
            "\u{7f}",
            "\u{85}",
            &"x".repeat(256),
            &"ü".repeat(128),
        ] {
            let error = name("queue", bad).map_err(|error| error.to_string());
            assert!(
                error
                    .as_ref()
                    .is_err_and(|text| text.starts_with("queue: ") && text.len() < 80)
            );
        }
    }

    #[test]
    fn uuids_come_in_any_usual_form() {
        let uuid_of = |text| uuid("uuid", text).map(|uuid| uuid.to_string());
        let hyphenated = "0192f5e0-1234-7abc-8def-0123456789ab";
        for form in [
            hyphenated,
            "0192F5E012347ABC8DEF0123456789AB",
            "{0192f5e0-1234-7abc-8def-0123456789ab}",
            "urn:uuid:0192f5e0-1234-7abc-8def-0123456789ab",
        ] {
            assert_eq!(uuid_of(form), Ok(hyphenated.to_owned()));
        }
        for bad in [
            "",
            "x",
            "0192f5e0-1234-7abc-8def-0123456789a",
            &"0".repeat(5000),
        ] {
            assert!(uuid_of(bad).is_err_and(|error| error.to_string().len() < 80));
        }
    }

    #[test]
    fn numbers_keep_to_their_ranges() {
        assert!(not_negative("attempt", -1).is_err());
        assert!(not_negative("attempt", 0).is_ok());
        assert!(wait_ms("wait_ms", 60_000).is_ok());
        assert!(wait_ms("wait_ms", 60_001).is_err());
        assert!(retry_after("retry_after", -2).is_err());
        assert!(retry_after("retry_after", MAX_RETRY_S).is_ok());
        assert!(message("message", &"x".repeat(1025)).is_err());
        assert!(message("message", &"x\n".repeat(512)).is_ok());
        assert!(payload("payload", &[0; 10], 10).is_ok());
        assert!(payload("payload", &[0; 11], 10).is_err());
        assert!(queues("queues", &vec![String::new(); 101]).is_err());
        for (tasks, is_ok) in [
            (-1, false),
            (0, false),
            (1, true),
            (1000, true),
            (1001, false),
        ] {
            assert_eq!(batch("max_tasks", tasks).is_ok(), is_ok, "{tasks}");
        }
    }

    #[test]
    fn backoffs_keep_to_their_limits() {
        let limits = |initial, cap, factor_percent, jitter_percent| {
            let backoff_of = RetryBackoff {
                initial,
                cap,
                factor_percent,
                jitter_percent,
            };
            backoff("retry_backoff", &backoff_of).map_err(|invalid| invalid.field)
        };
        let of = |field: &str| Err(format!("retry_backoff.{field}"));
        assert_eq!(limits(1, 0, 0, 0), Ok(()));
        assert_eq!(limits(MAX_RETRY_S, MAX_RETRY_S, 10_000, 100), Ok(()));
        assert_eq!(limits(5, 1, 100, 0), Ok(()));
        for initial in [i64::MIN, 0, MAX_RETRY_S + 1] {
            assert_eq!(limits(initial, 0, 0, 0), of("initial"));
        }
        for cap in [-1, MAX_RETRY_S + 1] {
            assert_eq!(limits(1, cap, 0, 0), of("cap"));
        }
        for factor_percent in [-1, 1, 99, 10_001] {
            assert_eq!(limits(1, 0, factor_percent, 0), of("factor_percent"));
        }
        for jitter_percent in [-1, 101] {
            assert_eq!(limits(1, 0, 0, jitter_percent), of("jitter_percent"));
        }
    }
}
