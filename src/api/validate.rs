//! The limits of the contract, checked before anything is proposed.

use std::fmt::Display;

use uuid::Uuid;

use super::status::Invalid;

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
}
