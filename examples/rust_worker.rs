//! Claims tasks, works on them, completes them, until SIGTERM or Ctrl-C.
//!
//! ```text
//! cargo run --example rust_worker -- --submit 10    # puts ten tasks in
//! cargo run --example rust_worker                   # works them off and waits for more
//! ```

use std::error::Error;
use std::time::Duration;

use clap::Parser;
use corndogs::proto::v1alpha1::corndogs_service_client::CorndogsServiceClient;
use corndogs::proto::v1alpha1::{CompleteTaskRequest, GetNextTaskRequest, SubmitTaskRequest};
use tokio::signal::unix::{SignalKind, signal};
use tonic::Code;
use tonic::transport::Channel;

/// A worker that dies gives its task back: after this many seconds another one may claim it.
const LEASE_SECONDS: i64 = 60;
type Client = CorndogsServiceClient<Channel>;

#[derive(Parser)]
struct Options {
    #[arg(long, default_value = "http://127.0.0.1:5080")]
    address: String,
    #[arg(long, default_value = "examples")]
    queue: String,
    /// Submit so many tasks and exit.
    #[arg(long, value_name = "N")]
    submit: Option<u32>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let mut client = Client::connect(options.address).await?;
    if let Some(count) = options.submit {
        return submit(&mut client, &options.queue, count).await;
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    loop {
        // The signals are looked at between tasks, so a task is finished first.
        let worked = work_one(&mut client, &options.queue).await?;
        let pause = Duration::from_secs(u64::from(!worked));
        tokio::select! {
            biased;
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn submit(client: &mut Client, queue: &str, count: u32) -> Result<(), Box<dyn Error>> {
    for number in 0..count {
        let request = SubmitTaskRequest {
            queue: queue.to_owned(),
            payload: format!("task {number}").into(),
            ..Default::default()
        };
        let response = client.submit_task(request).await?.into_inner();
        println!("submitted {}", response.task.unwrap_or_default().uuid);
    }
    Ok(())
}

/// Whether there was a task.
async fn work_one(client: &mut Client, queue: &str) -> Result<bool, Box<dyn Error>> {
    let claim = GetNextTaskRequest {
        queue: queue.to_owned(),
        override_timeout: LEASE_SECONDS,
        worker: format!("rust-{}", std::process::id()),
        ..Default::default()
    };
    let Some(task) = client.get_next_task(claim).await?.into_inner().task else {
        return Ok(false);
    };
    // Your work goes here. It should bear being done twice: a lease may run out.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let complete = CompleteTaskRequest {
        uuid: task.uuid.clone(),
        queue: task.queue,
        current_state: task.current_state,
        // Only this claim may complete it, not one whose lease ran out.
        attempt: task.attempt,
        ..Default::default()
    };
    let text = String::from_utf8_lossy(&task.payload);
    match client.complete_task(complete).await {
        Ok(done) if done.get_ref().task.is_some() => println!("completed {} {text}", task.uuid),
        Ok(_) => println!("lost {} {text}", task.uuid),
        Err(status) if status.code() == Code::FailedPrecondition => {
            println!("lost {} {text}", task.uuid)
        }
        Err(status) => return Err(status.into()),
    }
    Ok(true)
}
