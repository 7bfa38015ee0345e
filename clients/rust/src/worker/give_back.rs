//! How a task goes back that was not finished: the one place that knows.

use std::time::Duration;

use crate::{Client, Error, Failure, Task, Update};

/// Why a task goes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// Its handler failed, for that reason, or asked for another try.
    Failed {
        message: String,
        /// What the handler asked for.
        after: Option<Duration>,
        /// What holds where it asked for nothing, and the task has no backoff of its own.
        default: Duration,
    },
    /// Its handler says that no try can help.
    Dead,
    /// Its worker stops.
    Stopped,
}

/// Where a task went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Went {
    /// To the state that it was claimed from.
    Back,
    /// To the state `dead`.
    Dead,
}

/// Gives a held task back. Its payload and priority stay.
///
/// # Errors
/// As [`Client::fail`] and [`Client::update`].
pub async fn give_back(client: &Client, task: &Task, why: Why) -> Result<Went, Error> {
    let given = match why {
        Why::Stopped => {
            // A claim has swapped the two states.
            let back = Update::to(&task.auto_target_state).auto_target_state(&task.state);
            client.update(task, back).await?
        }
        Why::Dead => {
            let failure = Failure::because("the handler gave it up").dead();
            client.fail(task, failure).await?
        }
        Why::Failed {
            message,
            after,
            default,
        } => {
            let failure = Failure::because(message);
            let failure = match wait(task, after, default) {
                None => failure,
                Some(wait) => failure.retry_after(wait),
            };
            client.fail(task, failure).await?
        }
    };
    // It is dead too where it has used up its attempts: the server knows.
    Ok(match given.state == task.auto_target_state {
        true => Went::Back,
        false => Went::Dead,
    })
}

/// What the server is asked for: none leaves it to the task's backoff, and is at once for a task without one.
fn wait(task: &Task, after: Option<Duration>, default: Duration) -> Option<Duration> {
    match (after, task.retry_backoff) {
        (None, Some(_)) => None,
        (Some(after), Some(_)) => Some(after),
        (after, None) => Some(after.unwrap_or(default)).filter(|wait| !wait.is_zero()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto;

    #[test]
    fn a_wait_is_the_handlers_or_the_tasks_or_the_workers() {
        let (zero, one, two) = (
            Duration::ZERO,
            Duration::from_secs(1),
            Duration::from_secs(2),
        );
        for (has_backoff, after, default, expected) in [
            (false, None, two, Some(two)),
            (false, None, zero, None),
            (false, Some(one), two, Some(one)),
            (false, Some(zero), two, None),
            (true, None, two, None),
            (true, Some(one), two, Some(one)),
            // The least that overrides a backoff; it is rounded up to a second.
            (true, Some(zero), two, Some(zero)),
        ] {
            let task = proto::Task {
                uuid: uuid::Uuid::nil().to_string(),
                retry_backoff: has_backoff.then(proto::RetryBackoff::default),
                ..Default::default()
            };
            let task = Task::try_from(task).unwrap();
            assert_eq!(
                wait(&task, after, default),
                expected,
                "{has_backoff} {after:?} {default:?}"
            );
        }
    }
}
