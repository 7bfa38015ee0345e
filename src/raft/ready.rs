//! Tells whoever waits for tasks where an entry has brought some.

use std::sync::OnceLock;

use crate::store::ready::News;

type Hook = Box<dyn Fn(News) + Send + Sync>;

/// Where to tell it; nowhere as long as nothing is set.
#[derive(Default)]
pub struct ReadyHook(OnceLock<Hook>);

impl ReadyHook {
    /// Calls `hook` after each applied entry that brought tasks to watched queues and states, or loosened
    /// the limits of a queue.
    /// It is called on the thread that applies, and must be quick. Only the first one counts.
    pub fn set(&self, hook: impl Fn(News) + Send + Sync + 'static) {
        // A node is started once in a process.
        drop(self.0.set(Box::new(hook)));
    }

    pub(super) fn call(&self, news: News) {
        if let Some(hook) = self.0.get()
            && !news.is_empty()
        {
            hook(news);
        }
    }
}
