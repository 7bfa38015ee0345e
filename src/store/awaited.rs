//! Who waits for an answer to be remembered under a request key.

use std::collections::BTreeMap;

use tokio::sync::watch;

use super::record::Name;

/// The keys that are waited for. Costs nothing where nobody waits.
#[derive(Debug, Default)]
pub struct Awaited {
    keys: BTreeMap<Name, watch::Sender<bool>>,
    /// How many keys there may be before those are looked for that nobody waits for any more.
    bound: usize,
}

impl Awaited {
    /// From now on, waits for the next answer that is remembered under that key.
    pub fn wait(&mut self, key: &str) -> Wait {
        if self.keys.len() >= self.bound {
            self.keys.retain(|_, told| !told.is_closed());
            self.bound = 2 * (self.keys.len() + 1);
        }
        let told = self.keys.entry(key.into()).or_default();
        Wait(told.subscribe())
    }

    /// An answer is remembered under that key.
    pub fn tell(&mut self, key: &Name) {
        if let Some(told) = self.keys.remove(key) {
            told.send_replace(true);
        }
    }
}

/// Waits for one answer.
#[derive(Debug)]
pub struct Wait(watch::Receiver<bool>);

impl Wait {
    /// Returns once the answer is there; never, if another state takes this one's place before.
    pub async fn answered(mut self) {
        if self.0.wait_for(|told| *told).await.is_err() {
            std::future::pending().await
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn all_that_wait_for_a_key_are_told_and_no_others() {
        let mut awaited = Awaited::default();
        let waits = ["a", "a", "b"].map(|key| awaited.wait(key));
        awaited.tell(&"a".into());
        awaited.tell(&"c".into());
        let [one, two, other] = waits.map(|wait| wait.answered().now_or_never());
        assert_eq!((one, two, other), (Some(()), Some(()), None));
    }

    #[test]
    fn a_state_that_is_gone_has_told_nothing() {
        let mut awaited = Awaited::default();
        let wait = awaited.wait("a");
        drop(awaited);
        assert_eq!(wait.answered().now_or_never(), None);
    }

    #[test]
    fn keys_that_nobody_waits_for_any_more_are_forgotten() {
        let mut awaited = Awaited::default();
        let kept: Vec<Wait> = (0..10).map(|key| awaited.wait(&format!("{key}"))).collect();
        for key in 10..1000 {
            drop(awaited.wait(&format!("{key}")));
        }
        assert!(awaited.keys.len() <= 2 * (kept.len() + 1));
        assert!(kept.iter().all(|wait| wait.0.has_changed().is_ok()));
    }
}
