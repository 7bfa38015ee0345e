//! The command line. `run` is the server; every other command is one client call: results
//! go to stdout, everything else to stderr.

mod answer;
mod backup;
mod batch;
mod bench;
mod bulk;
mod client;
mod cluster;
mod counts;
mod dead;
mod fail;
mod fields;
mod figures;
mod filter;
mod finish;
mod human;
mod looking;
mod queue;
mod restore;
mod run;
mod schedule;
mod tasks;
#[cfg(test)]
mod tests;
mod timeout;
mod tls;
mod verify;

use std::io::Write;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

use answer::{Answer, Failure};

/// Refused, failed, or nothing matched.
const FAILED: u8 = 1;
/// The command line or the configuration is wrong.
const USAGE: u8 = 2;

/// Durable, replicated task state for workers in any language.
#[derive(Parser)]
#[command(name = "corndogs", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(run::Run),
    SubmitTask(Box<tasks::SubmitTask>),
    GetTask(tasks::GetTask),
    NextTask(Box<tasks::NextTask>),
    UpdateTask(Box<tasks::UpdateTask>),
    CompleteTask(Box<finish::CompleteTask>),
    CancelTask(finish::CancelTask),
    ExtendTask(finish::ExtendTask),
    FailTask(fail::FailTask),
    Timeout(timeout::Timeout),
    GetQueues(counts::GetQueues),
    GetQueueTaskCounts(counts::GetQueueTaskCounts),
    GetTaskStateCounts(counts::GetTaskStateCounts),
    GetQueueAndStateCounts(counts::GetQueueAndStateCounts),
    SubmitTasks(batch::SubmitTasks),
    NextTasks(Box<batch::NextTasks>),
    CompleteTasks(batch::CompleteTasks),
    GetTaskHistory(looking::GetTaskHistory),
    ListTasks(Box<looking::ListTasks>),
    CancelTasks(Box<bulk::CancelTasks>),
    RequeueTasks(Box<bulk::RequeueTasks>),
    UpdateTasks(Box<bulk::UpdateTasks>),
    #[command(subcommand)]
    Dead(dead::Dead),
    Figures(figures::Figures),
    Workers(figures::Workers),
    History(figures::History),
    #[command(subcommand)]
    Schedule(schedule::ScheduleCommand),
    #[command(subcommand)]
    Queue(queue::Queue),
    #[command(subcommand)]
    Cluster(cluster::Cluster),
    Backup(backup::Backup),
    Restore(restore::Restore),
    Verify(verify::Verify),
    Bench(Box<bench::Bench>),
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(Cli {
            command: Command::Run(run),
        }) => run.run(),
        Ok(Cli {
            command: Command::Restore(restore),
        }) => report(restore.run()),
        Ok(Cli {
            command: Command::Verify(verify),
        }) => report(verify.run()),
        Ok(Cli {
            command: Command::Bench(bench),
        }) => report(bench.run()),
        Ok(Cli { command }) => report(ask(command)),
        Err(error) => {
            // A closed stdout or stderr is nobody to tell.
            _ = error.print();
            match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
                _ => ExitCode::from(USAGE),
            }
        }
    }
}

/// A client command's answer.
fn ask(command: Command) -> Result<Answer, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Failed(format!("cannot start: {error}")))?;
    runtime.block_on(async {
        match command {
            Command::SubmitTask(command) => command.run().await,
            Command::GetTask(command) => command.run().await,
            Command::NextTask(command) => command.run().await,
            Command::UpdateTask(command) => command.run().await,
            Command::CompleteTask(command) => command.run().await,
            Command::CancelTask(command) => command.run().await,
            Command::ExtendTask(command) => command.run().await,
            Command::FailTask(command) => command.run().await,
            Command::Timeout(command) => command.run().await,
            Command::GetQueues(command) => command.run().await,
            Command::GetQueueTaskCounts(command) => command.run().await,
            Command::GetTaskStateCounts(command) => command.run().await,
            Command::GetQueueAndStateCounts(command) => command.run().await,
            Command::SubmitTasks(command) => command.run().await,
            Command::NextTasks(command) => command.run().await,
            Command::CompleteTasks(command) => command.run().await,
            Command::GetTaskHistory(command) => command.run().await,
            Command::ListTasks(command) => command.run().await,
            Command::CancelTasks(command) => command.run().await,
            Command::RequeueTasks(command) => command.run().await,
            Command::UpdateTasks(command) => command.run().await,
            Command::Dead(command) => command.run().await,
            Command::Figures(command) => command.run().await,
            Command::Workers(command) => command.run().await,
            Command::History(command) => command.run().await,
            Command::Schedule(command) => command.run().await,
            Command::Queue(command) => command.run().await,
            Command::Cluster(command) => command.run().await,
            Command::Backup(command) => command.run().await,
            Command::Run(_) | Command::Restore(_) | Command::Verify(_) | Command::Bench(_) => {
                Err(Failure::Failed("not a client command".to_owned()))
            }
        }
    })
}

fn report(outcome: Result<Answer, Failure>) -> ExitCode {
    let answer = match outcome {
        Ok(answer) => answer,
        Err(failure) => {
            let (code, reason) = match failure {
                Failure::Failed(reason) => (FAILED, reason),
                Failure::Usage(reason) => (USAGE, reason),
            };
            complain(&reason);
            return ExitCode::from(code);
        }
    };
    let mut code = if answer.matched { 0 } else { FAILED };
    let mut stdout = std::io::stdout().lock();
    let written = stdout
        .write_all(answer.text.as_bytes())
        .and_then(|()| stdout.flush());
    match written {
        // A reader that has seen enough, such as `head`, is no failure.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            complain(&format!("cannot write the answer: {error}"));
            code = FAILED;
        }
        _ => {}
    }
    if let Some(note) = answer.note {
        complain(&note);
    }
    ExitCode::from(code)
}

/// One line on stderr, if it is still there.
fn complain(reason: &str) {
    _ = writeln!(std::io::stderr(), "corndogs: {reason}");
}

#[cfg(test)]
mod fuzz;
