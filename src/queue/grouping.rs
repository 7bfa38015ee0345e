//! Which group of its queue a task belongs to: the value that its metadata has under the queue's `group_by`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::submit;
use crate::proto::durable::QueueSettings;
use crate::store::View;
use crate::store::record::{Extras, Name, Task};

/// The longest value that is a group's name as it is.
const MAX_NAME_BYTES: usize = 255;
/// The name of a group whose value can't be one begins with it; no other name does.
const DIGEST: char = '\u{1e}';

/// The group of a new task; empty means none.
pub(super) fn of_new(view: &impl View, queue: &str, metadata: &BTreeMap<String, String>) -> Name {
    match view.controls().of(queue) {
        None => Name::default(),
        Some(control) => name(view, queue, &control.settings, metadata),
    }
}

/// A task as it is in the group that the settings say; none if it is in that group already.
pub(super) fn moved(view: &impl View, task: &Task, settings: &QueueSettings) -> Option<Task> {
    let extras = task.extras.as_ref()?;
    let group = name(view, &task.queue, settings, &extras.metadata);
    if group == extras.group {
        return None;
    }
    let extras = Extras {
        group,
        ..Extras::clone(extras)
    };
    Some(Task {
        extras: extras.shared(),
        ..task.clone()
    })
}

fn name(
    view: &impl View,
    queue: &str,
    settings: &QueueSettings,
    metadata: &BTreeMap<String, String>,
) -> Name {
    let value = match settings.group_by.as_str() {
        "" => None,
        key => metadata.get(key),
    };
    let Some(value) = value.filter(|value| !value.is_empty()) else {
        return Name::default();
    };
    let shared = |name: &str| {
        let groups = view.counts().groups().queue(queue);
        let shared = groups.and_then(|groups| groups.shared(name));
        shared.map_or_else(|| Name::from(name), Arc::clone)
    };
    if value.len() <= MAX_NAME_BYTES && !value.chars().any(char::is_control) {
        return shared(value);
    }
    let digest = submit::digest_of(value.as_bytes());
    shared(&format!("{DIGEST}{digest:032x}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStore;

    fn group_of(value: &str) -> Name {
        let settings = QueueSettings {
            group_by: "tenant".into(),
            ..QueueSettings::default()
        };
        let metadata = [("tenant".to_owned(), value.to_owned())].into();
        name(&MemoryStore::new(), "q", &settings, &metadata)
    }

    /// A line's name must hold no control character but those that set it apart.
    #[test]
    fn any_value_makes_a_group() {
        assert_eq!(&*group_of(""), "");
        assert_eq!(&*group_of("größe ✓"), "größe ✓");
        let long = "x".repeat(256);
        for value in ["\0", "a\u{1f}b", "a\u{1e}", long.as_str()] {
            let group = group_of(value);
            assert_eq!(group.len(), 33, "{value:?}");
            assert!(group.starts_with(DIGEST));
            assert!(!group.chars().skip(1).any(char::is_control));
        }
        assert_ne!(group_of("\0"), group_of("\u{1}"));
    }
}
