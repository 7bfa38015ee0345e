//! What the simulated machine answers in place of libc: the time, chance, and whether a file is on the disk.
//!
//! The symbols stand before libc's in this program alone. All threads get simulated time and have their syncs seen;
//! seeded chance is for the one that runs the simulation.
#![allow(
    unsafe_code,
    reason = "libc's functions are replaced, which is C's way of calling"
)]

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int, c_long, c_uint, c_void};
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};

use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use tokio::runtime::{Handle, Id};

use crate::disk;

/// When the simulated world began, seconds since 1970.
const BEGIN_S: i64 = 1_700_000_000;
const NS_PER_S: i64 = 1_000_000_000;

/// Time since the world began, on all threads; negative before it.
static NOW_NS: AtomicI64 = AtomicI64::new(-1);

thread_local! {
    static CHANCE: RefCell<Option<StdRng>> = const { RefCell::new(None) };
    static SKEWS_NS: RefCell<Vec<(Id, i64)>> = const { RefCell::new(Vec::new()) };
}

/// From now on this thread lives in the simulated world.
pub fn enter(seed: u64) {
    CHANCE.with_borrow_mut(|chance| *chance = Some(StdRng::seed_from_u64(seed)));
}

/// Sets the time since the world began.
pub fn set_now_ns(now_ns: i64) {
    NOW_NS.store(now_ns, Ordering::Relaxed);
}

/// Sets how far the wall clock of a host is ahead, by its runtime.
pub fn set_skew_ns(host: Id, skew_ns: i64) {
    SKEWS_NS.with_borrow_mut(|skews| {
        skews.retain(|(known, _)| *known != host);
        skews.push((host, skew_ns));
    });
}

fn skew_ns() -> i64 {
    let Ok(host) = Handle::try_current().map(|handle| handle.id()) else {
        return 0;
    };
    SKEWS_NS.with_borrow(|skews| {
        let found = skews.iter().find(|(known, _)| *known == host);
        found.map_or(0, |(_, skew_ns)| *skew_ns)
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> c_int {
    let now_ns = NOW_NS.load(Ordering::Relaxed);
    if now_ns < 0 {
        return unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) as c_int };
    }
    let is_wall = matches!(clock, libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE);
    let skew_ns = if is_wall { skew_ns() } else { 0 };
    let now_ns = BEGIN_S * NS_PER_S + now_ns + skew_ns;
    let now = libc::timespec {
        tv_sec: now_ns / NS_PER_S,
        tv_nsec: (now_ns % NS_PER_S) as c_long,
    };
    unsafe { time.write(now) };
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(buffer: *mut c_void, length: usize, flags: c_uint) -> isize {
    let filled = CHANCE.try_with(|chance| {
        let mut chance = chance.try_borrow_mut().ok()?;
        let bytes = unsafe { std::slice::from_raw_parts_mut(buffer.cast::<u8>(), length) };
        chance.as_mut()?.fill_bytes(bytes);
        Some(length as isize)
    });
    match filled {
        Ok(Some(length)) => length,
        _ => unsafe { libc::syscall(libc::SYS_getrandom, buffer, length, flags) as isize },
    }
}

/// Whether this is the thread that runs the simulation, and not one that a library made.
fn is_simulations_thread() -> bool {
    CHANCE.with_borrow(|chance| chance.is_some())
}

/// The log's own thread syncs while the thread that runs the simulation waits for it, and not while that does something that a
/// power cut would meet sooner or later: which of them comes first would be chance.
fn until_the_simulation_waits() {
    let state = format!("/proc/self/task/{}/stat", std::process::id());
    let waits = || {
        let state = std::fs::read_to_string(&state).unwrap_or_default();
        state
            .rsplit_once(')')
            .is_none_or(|(_, rest)| rest.starts_with(" S"))
    };
    while !waits() {
        std::thread::yield_now();
    }
}

fn path_of(fd: RawFd) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/self/fd/{fd}")).ok()
}

fn fail(error: c_int) -> c_int {
    unsafe { libc::__errno_location().write(error) };
    -1
}

fn sync(fd: RawFd, syscall: c_long) -> c_int {
    let path = path_of(fd);
    if let Some(path) = &path
        && path.extension().is_some_and(|extension| extension == "wal")
        && !is_simulations_thread()
        && disk::is_live(path)
    {
        until_the_simulation_waits();
    }
    match path.and_then(|path| disk::synced(&path)) {
        Some(Ok(())) => 0,
        Some(Err(error)) => fail(error),
        None => unsafe { libc::syscall(syscall, fd) as c_int },
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn fsync(fd: RawFd) -> c_int {
    sync(fd, libc::SYS_fsync)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn fdatasync(fd: RawFd) -> c_int {
    sync(fd, libc::SYS_fdatasync)
}

/// Makes nothing durable: it writes no metadata and flushes no disk's cache.
#[unsafe(no_mangle)]
unsafe extern "C" fn sync_file_range(_: RawFd, _: i64, _: i64, _: c_uint) -> c_int {
    0
}

fn path_from(path: *const c_char) -> Option<PathBuf> {
    let path = unsafe { CStr::from_ptr(path) };
    path.to_str().ok().map(|path| Path::new(path).to_owned())
}

#[unsafe(no_mangle)]
unsafe extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    if let (Some(from), Some(to)) = (path_from(from), path_from(to)) {
        disk::renamed(&from, &to);
    }
    unsafe { libc::syscall(libc::SYS_rename, from, to) as c_int }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    if let Some(path) = path_from(path) {
        disk::unlinked(&path);
    }
    unsafe { libc::syscall(libc::SYS_unlink, path) as c_int }
}
