//! Corndogs nodes on a simulated network, clock and disk: each seed is another history of faults.
//!
//! `cargo run --manifest-path tests/simulation/Cargo.toml -- --seeds 0..100` runs seeds, each in a process of its own;
//! `-- --seed 7` runs one and tells its story.

mod client;
mod disk;
mod invariants;
mod nemesis;
mod node;
mod run;
mod system;
mod world;

use std::collections::BTreeMap;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use world::world;

/// A seed that takes longer hangs; about a second is usual.
const LONGEST: Duration = Duration::from_secs(120);

#[derive(Parser)]
#[command(about = "Runs Corndogs nodes on a simulated network, clock and disk")]
struct Args {
    /// One seed, told event by event.
    #[arg(long)]
    seed: Option<u64>,
    /// Seeds from the first up to before the last, as in 0..1000.
    #[arg(long, default_value = "0..100", value_parser = range)]
    seeds: (u64, u64),
    /// Processes at once.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// One in so many seeds is run twice, and must come to the same history.
    #[arg(long, default_value_t = 20)]
    twice: u64,
    /// For the processes that are started: no story, only the sums.
    #[arg(long, hide = true)]
    quiet: bool,
}

fn range(text: &str) -> Result<(u64, u64), String> {
    let (first, end) = text.split_once("..").ok_or("not FIRST..END")?;
    let number = |text: &str| text.parse().map_err(|_| format!("{text:?} is no number"));
    Ok((number(first)?, number(end)?))
}

fn main() -> ExitCode {
    let args = Args::parse();
    match args.seed {
        Some(seed) => one(seed, args.quiet),
        None => many(&args),
    }
}

fn one(seed: u64, quiet: bool) -> ExitCode {
    match quiet {
        true => end_in_any_case(),
        false => world(|world| world.is_told = true),
    }
    if let Ok(filter) = std::env::var("RUST_LOG") {
        let filter = tracing_subscriber::EnvFilter::new(filter);
        let told = tracing_subscriber::fmt().with_env_filter(filter);
        told.without_time().with_ansi(false).init();
    }
    if let Err(error) = run::run(seed) {
        eprintln!("seed {seed}: {error}");
        return ExitCode::FAILURE;
    }
    world(|world| {
        println!("trace {:016x}", world.trace());
        for (what, count) in &world.counts {
            println!("count {count} {what}");
        }
        for violation in &world.violations {
            println!("violation {violation}");
        }
        ExitCode::from(u8::from(!world.violations.is_empty()))
    })
}

/// A node that spins lets no simulated time pass: only a real clock tells.
fn end_in_any_case() {
    std::thread::spawn(|| {
        std::thread::sleep(LONGEST);
        eprintln!("it has not ended after {} s", LONGEST.as_secs());
        std::process::abort();
    });
}

/// What a process said.
struct Said {
    text: String,
    trace: String,
    failed: bool,
}

fn start(seed: u64) -> std::io::Result<Said> {
    let program = std::env::current_exe()?;
    let mut command = Command::new(&program);
    command.args(["--quiet", "--seed", &seed.to_string()]);
    let output = command.stdin(Stdio::null()).output().map_err(|error| {
        // As after a build that took this program's place.
        let what = format!("{} can't be started: {error}", program.display());
        std::io::Error::new(error.kind(), what)
    })?;
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    let trace = text.lines().find_map(|line| line.strip_prefix("trace "));
    let trace = trace.unwrap_or_default().to_owned();
    let failed = !output.status.success();
    if failed && !text.contains("\nviolation ") {
        let error = String::from_utf8_lossy(&output.stderr);
        text += &format!("violation it ended with {}: {error}\n", output.status);
    }
    Ok(Said {
        text,
        trace,
        failed,
    })
}

fn many(args: &Args) -> ExitCode {
    let next = AtomicU64::new(args.seeds.0);
    let counts: Mutex<BTreeMap<String, u64>> = Mutex::default();
    let bad = AtomicU64::new(0);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..args.jobs {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= args.seeds.1 {
                        return;
                    }
                    let is_good = look(seed, args.twice, &counts);
                    bad.fetch_add(u64::from(!is_good), Ordering::Relaxed);
                }
            });
        }
    });
    let bad = bad.into_inner();
    let seeds = args.seeds.1.saturating_sub(args.seeds.0);
    println!(
        "{seeds} seeds in {} s, {bad} bad",
        began.elapsed().as_secs()
    );
    if let Ok(counts) = counts.into_inner() {
        for (what, count) in counts {
            println!("{count:>12} {what}");
        }
    }
    ExitCode::from(u8::from(bad > 0))
}

/// Runs a seed, some twice; false, and why, if there is anything wrong.
fn look(seed: u64, twice: u64, counts: &Mutex<BTreeMap<String, u64>>) -> bool {
    let said = match start(seed) {
        Ok(said) => said,
        Err(error) => {
            println!("seed {seed}: {error}");
            return false;
        }
    };
    if let Ok(mut counts) = counts.lock() {
        for line in said.text.lines() {
            let count = line
                .strip_prefix("count ")
                .and_then(|rest| rest.split_once(' '));
            if let Some((count, what)) = count {
                let count: u64 = count.parse().unwrap_or(0);
                *counts.entry(what.to_owned()).or_default() += count;
            }
        }
    }
    let again = seed.is_multiple_of(twice.max(1)).then(|| start(seed));
    let differs = again.is_some_and(|again| again.map_or(true, |again| again.trace != said.trace));
    if !said.failed && !differs {
        return true;
    }
    let why = said
        .text
        .lines()
        .filter_map(|line| line.strip_prefix("violation "));
    for why in why {
        println!("seed {seed}: {why}");
    }
    if differs {
        println!("seed {seed}: two runs come to different histories");
    }
    println!("    again: cargo run --manifest-path tests/simulation/Cargo.toml -- --seed {seed}");
    false
}
