//! `jepsen-lite`: exit 0 when no promise was broken, 1 when one was, 2 when there is no verdict.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use jepsen_lite::Failed;
use jepsen_lite::nemesis::Nemesis;
use jepsen_lite::run::{Plan, run};

/// Starts a Corndogs cluster, works on it, breaks its nodes, and checks what clients were told.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// How long clients work, seconds
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    time: u64,
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
    /// How many clients work at once
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=256))]
    clients: u64,
    /// The server [default: `corndogs` beside this program]
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Where history, reports and the nodes' logs go
    #[arg(long, default_value = "target/jepsen-lite")]
    out: PathBuf,
}

fn plan(options: Options) -> Result<Plan, Failed> {
    let binary = match options.binary {
        Some(binary) => binary,
        None => std::env::current_exe()?.with_file_name("corndogs"),
    };
    if !binary.is_file() {
        let name = binary.display();
        return Err(
            format!("{name} is not there: `cargo build` makes it, --binary names another").into(),
        );
    }
    Ok(Plan {
        time_s: options.time,
        nemeses: options.nemesis,
        seed: options.seed,
        clients: options.clients,
        // A command with a relative path would depend on where it is looked up from.
        binary: binary.canonicalize()?,
        out: options.out,
    })
}

/// Whether no promise was broken.
async fn tested(options: Options) -> Result<bool, Failed> {
    let plan = plan(options)?;
    let report = run(&plan).await?;
    for event in &report.smallest {
        println!("{}", serde_json::to_string(event)?);
    }
    eprintln!("\n{}", report.verdict());
    eprintln!("{}", plan.out.join("report.html").display());
    Ok(report.is_valid)
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
