//! How a task goes back that was not finished: the one place that knows.

use std::time::Duration;

use crate::{Client, Error, Task, Update};

/// Where tasks go that nobody can do, as the server's own.
const DEAD: &str = "dead";

/// Why a task goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Its handler failed, or asked for another try after that time.
    Failed { after: Duration },
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
/// As [`Client::update`].
pub async fn give_back(client: &Client, task: &Task, why: Why) -> Result<Went, Error> {
    let went = way(task, why);
    match (went, why) {
        // Its lease is cut or stretched to that time, and then it goes back as any task that times out: no process
        // has to live that long for it.
        (Went::Back, Why::Failed { after }) if !after.is_zero() => {
            client.extend(task, after).await?;
        }
        (Went::Back, _) => {
            // A claim has swapped the two states.
            let back = Update::to(&task.auto_target_state).auto_target_state(&task.state);
            client.update(task, back).await?;
        }
        (Went::Dead, _) => {
            let dead = Update::to(DEAD).auto_target_state(&task.auto_target_state);
            client.update(task, dead).await?;
        }
    }
    Ok(went)
}

/// A task has so many tries as its submitter gave it, however each of them failed.
fn way(task: &Task, why: Why) -> Went {
    let used_up = task.max_attempts > 0 && task.attempt >= task.max_attempts;
    match why {
        Why::Dead => Went::Dead,
        Why::Failed { .. } if used_up => Went::Dead,
        Why::Failed { .. } | Why::Stopped => Went::Back,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto;

    #[test]
    fn the_last_failure_is_the_end_but_a_stop_is_none() {
        let after = Duration::ZERO;
        for (attempt, max_attempts, failed) in [
            (1, 0, Went::Back),
            (1, 2, Went::Back),
            (2, 2, Went::Dead),
            (3, 2, Went::Dead),
        ] {
            let task = proto::Task {
                uuid: uuid::Uuid::nil().to_string(),
                attempt,
                max_attempts,
                ..Default::default()
            };
            let task = Task::try_from(task).unwrap();
            assert_eq!(
                way(&task, Why::Failed { after }),
                failed,
                "{attempt} of {max_attempts}"
            );
            assert_eq!(way(&task, Why::Stopped), Went::Back);
            assert_eq!(way(&task, Why::Dead), Went::Dead);
        }
    }
}
