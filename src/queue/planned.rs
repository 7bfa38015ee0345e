//! The state as it will be once some submits are done that are not recorded yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use crate::store::answer::{Answer, Expiry, Footprint};
use crate::store::controls::Controls;
use crate::store::counts::Counts;
use crate::store::documents::Documents;
use crate::store::figures::Figures;
use crate::store::record::{Bucket, BucketKey, Deadline, Header, Name, Place, Ripening, Task};
use crate::store::{Change, StoreError, TaskPage, View};

type Result<T> = std::result::Result<T, StoreError>;

/// Submits over a view. What a submit looks at is as it will be: uuids, unique keys and the
/// next sequence number. All else is as the view has it.
pub(super) struct Planned<'a, V> {
    view: &'a V,
    header: Header,
    tasks: BTreeMap<Uuid, Arc<Task>>,
    /// Who holds a unique key, by queue and key.
    keys: BTreeMap<Name, BTreeMap<Name, Uuid>>,
    /// How many are planned for each queue that has settings.
    submits: BTreeMap<Name, u64>,
    changes: Vec<Change>,
}

impl<'a, V: View> Planned<'a, V> {
    /// Nothing is submitted yet.
    pub(super) fn over(view: &'a V) -> Self {
        Self {
            view,
            header: view.header().clone(),
            tasks: BTreeMap::new(),
            keys: BTreeMap::new(),
            submits: BTreeMap::new(),
            changes: Vec::new(),
        }
    }

    /// Submits a task that was planned against this; returns it as it will be.
    pub(super) fn submit(&mut self, mut task: Arc<Task>) -> Arc<Task> {
        if let Some(Change::Submit(before)) = self.changes.last() {
            share_names(Arc::make_mut(&mut task), before);
        }
        self.header.next_seq += 1;
        self.tasks.insert(task.uuid, task.clone());
        if let Some(key) = task.unique_key() {
            let keys = self.keys.entry(task.queue.clone()).or_default();
            keys.insert(key.clone(), task.uuid);
        }
        if self.view.controls().of(&task.queue).is_some() {
            *self.submits.entry(task.queue.clone()).or_default() += 1;
        }
        self.changes.push(Change::Submit(task.clone()));
        task
    }

    /// The submits, in order.
    pub(super) fn into_changes(self) -> Vec<Change> {
        self.changes
    }
}

/// Names that no live task has yet are shared within the batch.
fn share_names(task: &mut Task, before: &Task) {
    for (name, known) in [
        (&mut task.queue, &before.queue),
        (&mut task.current_state, &before.current_state),
        (&mut task.auto_target_state, &before.auto_target_state),
    ] {
        if name == known {
            name.clone_from(known);
        }
    }
}

impl<V: View> View for Planned<'_, V> {
    fn live(&self, uuid: Uuid) -> Result<Option<Arc<Task>>> {
        match self.tasks.get(&uuid) {
            Some(task) => Ok(Some(task.clone())),
            None => self.view.live(uuid),
        }
    }

    fn archived(&self, uuid: Uuid) -> Result<Option<Arc<Task>>> {
        self.view.archived(uuid)
    }

    fn live_after(&self, after: Option<Uuid>, limit: usize) -> Result<TaskPage> {
        self.view.live_after(after, limit)
    }

    fn archived_after(&self, after: Option<Uuid>, limit: usize) -> Result<TaskPage> {
        self.view.archived_after(after, limit)
    }

    fn open(&self, queue: &str, state: &str) -> u64 {
        self.view.open(queue, state)
    }

    fn first_ready(&self, queue: &str, state: &str) -> Result<Option<Arc<Task>>> {
        self.view.first_ready(queue, state)
    }

    fn next_standing(
        &self,
        queue: &str,
        state: &str,
        after: Option<Place>,
    ) -> Result<Option<Arc<Task>>> {
        self.view.next_standing(queue, state, after)
    }

    fn next_ready(&self, queue: &str, state: &str, after: Place) -> Result<Option<Arc<Task>>> {
        self.view.next_ready(queue, state, after)
    }

    fn next_deadline(&self, after: Option<Deadline>) -> Result<Option<(Deadline, Uuid)>> {
        self.view.next_deadline(after)
    }

    fn next_delayed(&self, after: Option<Ripening>) -> Result<Option<(Ripening, Uuid)>> {
        self.view.next_delayed(after)
    }

    fn unique(&self, queue: &str, key: &str) -> Result<Option<Uuid>> {
        let planned = self.keys.get(queue).and_then(|keys| keys.get(key));
        match planned {
            Some(uuid) => Ok(Some(*uuid)),
            None => self.view.unique(queue, key),
        }
    }

    fn answer(&self, key: &str) -> Result<Option<Arc<Answer>>> {
        self.view.answer(key)
    }

    fn next_expiring_answer(&self, after: Option<&Expiry>) -> Result<Option<(Expiry, Footprint)>> {
        self.view.next_expiring_answer(after)
    }

    fn next_bucket(&self, after: Option<&BucketKey>) -> Result<Option<(BucketKey, Bucket)>> {
        self.view.next_bucket(after)
    }

    fn documents(&self) -> &Documents {
        self.view.documents()
    }

    fn figures(&self) -> &Figures {
        self.view.figures()
    }

    fn controls(&self) -> &Controls {
        self.view.controls()
    }

    fn waiting(&self, queue: &str) -> u64 {
        self.view.waiting(queue) + self.submits.get(queue).copied().unwrap_or(0)
    }

    fn counts(&self) -> &Counts {
        self.view.counts()
    }

    fn header(&self) -> &Header {
        &self.header
    }
}
