//! What is made of files, and made again when they change.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::{NamedFile, TlsError, pem};
use crate::clock;

/// At most one look at the files in this time.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

type Make<T> = dyn Fn(&[Vec<u8>]) -> Result<T, TlsError> + Send + Sync;

/// Made of the contents of some files, the newest that could be used.
///
/// Contents are compared: neither a swapped link, nor a file written in place within one tick
/// of its clock, goes unnoticed.
pub(super) struct Reloaded<T> {
    files: Vec<NamedFile>,
    make: Box<Make<T>>,
    state: Mutex<State<T>>,
    /// Held during a look: a disk that hangs holds up one of them, not one a second.
    looking: Mutex<()>,
}

struct State<T> {
    current: Arc<T>,
    contents: Vec<Vec<u8>>,
    looked_at: Duration,
    /// What the newest warning said, until the files can be used again.
    complaint: Option<String>,
}

impl<T: Send + Sync + 'static> Reloaded<T> {
    /// Reads the files; `make` gets their contents in the same order.
    pub fn load(
        files: Vec<NamedFile>,
        make: impl Fn(&[Vec<u8>]) -> Result<T, TlsError> + Send + Sync + 'static,
    ) -> Result<Arc<Self>, TlsError> {
        let contents = read_all(&files)?;
        let state = State {
            current: Arc::new(make(&contents)?),
            contents,
            looked_at: clock::monotonic(),
            complaint: None,
        };
        Ok(Arc::new(Self {
            files,
            make: Box::new(make),
            state: Mutex::new(state),
            looking: Mutex::new(()),
        }))
    }

    /// What to use now. If a look is due, it is what the files hold now.
    pub async fn current(self: &Arc<Self>) -> Arc<T> {
        if self.is_due() {
            let this = self.clone();
            // A look that failed has changed nothing.
            let _ = tokio::task::spawn_blocking(move || this.look()).await;
        }
        self.state.lock().current.clone()
    }

    fn is_due(&self) -> bool {
        let mut state = self.state.lock();
        let now = clock::monotonic();
        let due = now.saturating_sub(state.looked_at) >= LOOK_INTERVAL;
        if due {
            state.looked_at = now;
        }
        due
    }

    /// Reads the files, and takes over what they hold if it has changed and can be used.
    pub(super) fn look(&self) {
        let Some(_alone) = self.looking.try_lock() else {
            return;
        };
        let made = read_all(&self.files).and_then(|contents| {
            let changed = self.state.lock().contents != contents;
            let made = changed.then(|| (self.make)(&contents)).transpose()?;
            Ok(made.map(|made| (made, contents)))
        });
        let mut state = self.state.lock();
        match made {
            Ok(None) => state.complaint = None,
            Ok(Some((made, contents))) => {
                state.current = Arc::new(made);
                state.contents = contents;
                state.complaint = None;
                let files = self.names();
                tracing::info!(files, "TLS files have changed: new connections use them");
            }
            Err(error) => {
                let complaint = Some(error.to_string());
                if state.complaint != complaint {
                    tracing::warn!(%error, "changed TLS files can't be used: the old ones stay in use");
                    state.complaint = complaint;
                }
            }
        }
    }

    fn names(&self) -> String {
        let names = self
            .files
            .iter()
            .map(|file| file.path.display().to_string());
        names.collect::<Vec<_>>().join(", ")
    }
}

fn read_all(files: &[NamedFile]) -> Result<Vec<Vec<u8>>, TlsError> {
    files.iter().map(pem::read).collect()
}
