//! `jepsen-lite`: exit 0 when no promise was broken, 1 when one was, 2 when there is no verdict.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, Subcommand};
use jepsen_lite::check::{Verdict, check, planted};
use jepsen_lite::nemesis::Nemesis;
use jepsen_lite::report::Report;
use jepsen_lite::run::{Plan, run};
use jepsen_lite::workload::{ALL, Workload};
use jepsen_lite::{Failed, history};

/// Starts a Corndogs cluster, works on it, breaks its nodes, and checks what clients were told.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Options {
    #[command(subcommand)]
    command: Option<Command>,
    /// How long clients work, seconds
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    time: u64,
    /// What clients do [default: all]
    #[arg(long, value_enum, value_delimiter = ',', hide_default_value = true, default_values_t = ALL)]
    workload: Vec<Workload>,
    /// How nodes are broken
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "kill,pause,term"
    )]
    nemesis: Vec<Nemesis>,
    /// Repeats the choices of clients and nemeses
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many clients each workload has
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=64))]
    clients: u64,
    /// How many nodes the cluster has
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=9))]
    nodes: u64,
    /// Another version of the server, for the nemesis `versions`
    #[arg(long)]
    old_binary: Option<PathBuf>,
    /// The server [default: `corndogs` beside this program, which `cargo run` builds]
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Where history, reports and the nodes' logs go
    #[arg(long, default_value = "target/jepsen-lite")]
    out: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Checks a history that was recorded before, and writes its report beside it
    Check {
        /// A history.jsonl
        history: PathBuf,
    },
    /// Checks the history of a server in memory, and says how long that takes
    Simulated {
        /// How many calls
        #[arg(long, default_value_t = 1_000_000)]
        calls: usize,
        /// How many clients
        #[arg(long, default_value_t = 20)]
        clients: usize,
        /// Repeats the history
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Shows which checker catches which bug
    Planted,
}

/// The server beside this program. Under `cargo run` it is built first: an old one would be tested without a word.
fn built() -> Result<PathBuf, Failed> {
    let beside = std::env::current_exe()?.with_file_name("corndogs");
    if let Some(cargo) = std::env::var_os("CARGO") {
        let mut build = std::process::Command::new(cargo);
        build.args([
            "build",
            "--quiet",
            "--package",
            "corndogs",
            "--manifest-path",
        ]);
        build.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"));
        if beside
            .parent()
            .is_some_and(|parent| parent.ends_with("release"))
        {
            build.arg("--release");
        }
        if !build.status()?.success() {
            return Err("the server can't be built".into());
        }
    }
    Ok(beside)
}

fn plan(options: Options) -> Result<Plan, Failed> {
    let binary = match options.binary {
        Some(binary) => binary,
        None => built()?,
    };
    let binary = program(&binary, "`cargo build` makes it, --binary names another")?;
    let old_binary = options.old_binary.as_deref();
    let old_binary = old_binary.map(|old| program(old, "see --old-binary"));
    Ok(Plan {
        time_s: options.time,
        workloads: options.workload,
        nemeses: options.nemesis,
        seed: options.seed,
        clients: options.clients,
        nodes: options.nodes,
        binary,
        old_binary: old_binary.transpose()?,
        out: options.out,
    })
}

/// A program's full path: a relative one would depend on where it is looked up from.
fn program(path: &Path, advice: &str) -> Result<PathBuf, Failed> {
    if !path.is_file() {
        return Err(format!("{} is not there: {advice}", path.display()).into());
    }
    Ok(path.canonicalize()?)
}

/// Whether no promise was broken.
async fn tested(mut options: Options) -> Result<bool, Failed> {
    match options.command.take() {
        Some(Command::Check { history }) => checked(&history),
        Some(Command::Simulated {
            calls,
            clients,
            seed,
        }) => Ok(simulated(calls, clients, seed)),
        Some(Command::Planted) => Ok(table()),
        None => {
            let plan = plan(options)?;
            let report = tokio::select! {
                report = run(&plan) => report?,
                // The cluster goes with the run, and cleans up.
                () = interrupted() => return Err("interrupted".into()),
            };
            tell(&report, &plan.out)?;
            Ok(report.is_valid)
        }
    }
}

/// Waits for Ctrl-C or SIGTERM.
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let wait = async |kind| match signal(kind) {
        Ok(mut signal) => drop(signal.recv().await),
        // Then the system ends the run as it always does.
        Err(_) => std::future::pending().await,
    };
    tokio::select! {
        () = wait(SignalKind::interrupt()) => {}
        () = wait(SignalKind::terminate()) => {}
    }
}

fn checked(path: &Path) -> Result<bool, Failed> {
    let name = path.display();
    let file = File::open(path).map_err(|error| format!("{name}: {error}"))?;
    let operations =
        history::read(BufReader::new(file)).map_err(|error| format!("{name}: {error}"))?;
    let verdict = check(&operations);
    show(&verdict);
    let mut report = Report {
        is_valid: true,
        ..Report::default()
    };
    report.add(&operations, verdict);
    let beside = path.with_extension("checked");
    std::fs::create_dir_all(&beside)?;
    report.write(&beside)?;
    tell(&report, &beside)?;
    Ok(report.is_valid)
}

/// The smallest violating history to stdout, the verdict to stderr.
fn tell(report: &Report, out: &Path) -> Result<(), Failed> {
    for event in &report.smallest {
        println!("{}", serde_json::to_string(event)?);
    }
    eprintln!("\n{}", report.verdict());
    eprintln!("{}", out.join("report.html").display());
    Ok(())
}

fn simulated(calls: usize, clients: usize, seed: u64) -> bool {
    let operations = jepsen_lite::simulated::history(&jepsen_lite::simulated::Plan {
        seed,
        calls,
        clients,
        lost_percent: 2,
        bug: None,
    });
    let began = Instant::now();
    let verdict = check(&operations);
    show(&verdict);
    let calls = operations.len();
    eprintln!("{calls} calls checked in {:.1?}", began.elapsed());
    verdict.is_valid()
}

fn show(verdict: &Verdict) {
    for (name, looked) in &verdict.checkers {
        eprintln!(
            "{name:<20} {:>9} looked at, {:>4} violations, {:>4} undecided",
            looked.looked_at, looked.violations, looked.undecided
        );
    }
    for violation in &verdict.violations {
        eprintln!(
            "{}: {} (calls {:?})",
            violation.checker, violation.says, violation.calls
        );
    }
}

/// Whether each bug was caught by its checker.
fn table() -> bool {
    let planted = planted::planted();
    println!("| bug planted | caught by | calls | seen by, too |");
    println!("|---|---|---|---|");
    for bug in &planted {
        let caught = match bug.caught() {
            Some(violation) => format!("{} | {:?}", bug.checker, violation.calls),
            None => "NOBODY | ".to_owned(),
        };
        println!("| {} | {caught} | {} |", bug.bug, bug.others().join(", "));
    }
    planted.iter().all(|bug| bug.caught().is_some())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match tested(Options::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("\njepsen-lite: no verdict: {error}");
            ExitCode::from(2)
        }
    }
}
