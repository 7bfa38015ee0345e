//! Queues that keep what is submitted, and hand it out well or badly.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use corndogs::proto::v1alpha1::Task;

/// Hands out each task once.
pub const HONEST: &str = "honest";
/// Hands out the first task again and again.
pub const TWICE: &str = "twice";
/// Loses the first task.
pub const LOSING: &str = "losing";
/// Hands out a task that nobody submitted.
pub const FOREIGN: &str = "foreign";

static QUEUES: Mutex<BTreeMap<String, VecDeque<Task>>> = Mutex::new(BTreeMap::new());

fn keeps(queue: &str) -> bool {
    [HONEST, TWICE, LOSING, FOREIGN].contains(&queue)
}

/// Keeps the task if its queue is one of these.
pub fn submit(task: &Task) {
    if keeps(&task.queue) {
        let mut queues = QUEUES.lock().unwrap();
        let queue = queues.entry(task.queue.clone());
        queue.or_default().push_back(task.clone());
    }
}

/// What a claim gets, if the queue is one of these.
pub fn claim(queue: &str) -> Option<Option<Task>> {
    keeps(queue).then(|| {
        let mut queues = QUEUES.lock().unwrap();
        let tasks = queues.entry(queue.to_owned()).or_default();
        match queue {
            TWICE => tasks.front().cloned(),
            LOSING if tasks.len() == 1 => None,
            LOSING => tasks.pop_back(),
            FOREIGN => Some(Task::default()),
            _ => tasks.pop_front(),
        }
    })
}
