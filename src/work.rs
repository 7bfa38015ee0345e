//! Work that blocks: beside the runtime, or in a simulation (feature `simulation`) at once, so that nothing
//! depends on when a thread gets its turn.

use std::io;

/// Runs what may block for a moment.
///
/// # Errors
/// If it panicked, or the runtime ends.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    if cfg!(feature = "simulation") {
        return at_once(work);
    }
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(io::Error::other)
}

/// Runs what reads or writes whole files, on a thread of its own that stands back for what answers wait for.
///
/// # Errors
/// If it panicked, or there can be no thread.
pub async fn long<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    if cfg!(feature = "simulation") {
        return at_once(work);
    }
    let (done, result) = tokio::sync::oneshot::channel();
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.spawn(move || {
        stand_back();
        // Nobody waits for it once the node stops.
        drop(done.send(work()));
    })?;
    let panicked = |_| io::Error::other("a thread panicked");
    result.await.map_err(panicked)
}

/// Runs work on a thread of its own and waits for it: what it does to the thread's chance leaves that of a simulation alone.
///
/// # Errors
/// If it panicked.
pub fn at_once<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    let runtime = tokio::runtime::Handle::try_current();
    let work = || {
        let _runtime = runtime.as_ref().map(tokio::runtime::Handle::enter);
        work()
    };
    let done = std::thread::scope(|scope| scope.spawn(work).join());
    done.map_err(|_| io::Error::other("a thread panicked"))
}

/// How much a thread stands back that reads or writes much.
const NICENESS: i32 = 10;

/// Lets answers go before what this thread does. On Linux this is the thread's own, and that of
/// threads which it starts; where it is refused, the work competes with answers.
pub fn stand_back() {
    _ = rustix::process::nice(NICENESS);
}
