//! Tells whoever waits for tasks where an entry has brought some.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use crate::store::ready::Line;

type Hook = Box<dyn Fn(BTreeSet<Line>) + Send + Sync>;

/// Where to tell it; nowhere as long as nothing is set.
#[derive(Default)]
pub struct ReadyHook(OnceLock<Hook>);

impl ReadyHook {
    /// Calls `hook` after each applied entry that brought tasks to watched queues and states.
    /// It is called on the thread that applies, and must be quick. Only the first one counts.
    pub fn set(&self, hook: impl Fn(BTreeSet<Line>) + Send + Sync + 'static) {
        // A node is started once in a process.
        drop(self.0.set(Box::new(hook)));
    }

    pub(super) fn call(&self, lines: BTreeSet<Line>) {
        if let Some(hook) = self.0.get()
            && !lines.is_empty()
        {
            hook(lines);
        }
    }
}
