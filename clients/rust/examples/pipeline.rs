//! Three stages, each a queue: `fetch` gets a page, `transform` counts its words, `store` writes the result to a file.
//!
//! Each stage can be a process of its own, as many of them as you like. Kill any of them, and any node: each job comes
//! out once.
//!
//! ```text
//! ./cluster/run.sh                                                # three nodes on this machine
//! cargo run -p corndogs-client --example pipeline -- fetch        # in terminals of their own,
//! cargo run -p corndogs-client --example pipeline -- transform
//! cargo run -p corndogs-client --example pipeline -- store        # or one with all of them: all
//! cargo run -p corndogs-client --example pipeline -- submit --jobs 200
//! ls pipeline-results | wc -l
//! ```

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use corndogs_client::{Client, Job, Outcome, Submit, Uuid, Worker};
use serde::{Deserialize, Serialize};

type Failure = Box<dyn Error + Send + Sync>;

/// How many jobs go into one call.
const BATCH: u32 = 100;

#[derive(Parser)]
struct Options {
    role: Role,
    /// The nodes, or some of them.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "127.0.0.1:5080,127.0.0.1:5081,127.0.0.1:5082"
    )]
    addresses: Vec<String>,
    /// How many jobs `submit` puts in.
    #[arg(long, default_value_t = 10)]
    jobs: u32,
    /// Where `store` writes.
    #[arg(long, default_value = "pipeline-results")]
    results: PathBuf,
    /// How many jobs a stage works on at the same time.
    #[arg(long, default_value_t = 8)]
    concurrency: u32,
    /// After how many seconds the jobs of a worker that was killed go to another one.
    #[arg(long, default_value_t = 5)]
    lease_s: u64,
    /// How long a stage's work takes.
    #[arg(long, default_value_t = 100)]
    work_ms: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Role {
    Submit,
    Fetch,
    Transform,
    Store,
    All,
}

#[derive(Serialize, Deserialize)]
struct Page {
    job: Uuid,
    url: String,
}

#[derive(Serialize, Deserialize)]
struct Text {
    job: Uuid,
    text: String,
}

#[derive(Serialize, Deserialize)]
struct Words {
    job: Uuid,
    words: usize,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let options = Options::parse();
    let client = Client::connect(&options.addresses).await?;
    match options.role {
        Role::Submit => submit(&client, options.jobs).await,
        Role::Fetch => fetch(&client, &options).await,
        Role::Transform => transform(&client, &options).await,
        Role::Store => store(&client, &options).await,
        Role::All => {
            let stages = (
                fetch(&client, &options),
                transform(&client, &options),
                store(&client, &options),
            );
            tokio::try_join!(stages.0, stages.1, stages.2)?;
            Ok(())
        }
    }
}

async fn submit(client: &Client, jobs: u32) -> Result<(), Failure> {
    let pages = (0..jobs).map(|number| Page {
        job: Uuid::new_v4(),
        url: format!("https://example.com/{number}"),
    });
    let pages: Vec<Page> = pages.collect();
    for batch in pages.chunks(BATCH as usize) {
        let tasks = batch
            .iter()
            .map(|page| Submit::json("fetch", page).uuid(page.job));
        client.submit_many(tasks).await?;
    }
    // On stdout, so that whoever submitted knows what has to come out.
    pages.iter().for_each(|page| println!("{}", page.job));
    Ok(())
}

fn worker(client: &Client, options: &Options, queue: &str) -> Worker {
    Worker::new(client.clone(), queue)
        .concurrency(options.concurrency)
        .lease(Duration::from_secs(options.lease_s))
        .name(format!("{queue}-{}", std::process::id()))
}

/// A stage ends its task and submits the next stage's in one step: a job is in one place at any time.
async fn fetch(client: &Client, options: &Options) -> Result<(), Failure> {
    let work = Duration::from_millis(options.work_ms);
    let worker = worker(client, options, "fetch");
    let summary = worker.run(move |task: Job| async move {
        let Page { job, url } = task.json()?;
        tokio::time::sleep(work).await;
        let text = format!("what is found at {url}");
        Ok::<_, Failure>(Outcome::Next(Submit::json(
            "transform",
            &Text { job, text },
        )))
    });
    println!("fetch: {:?}", summary.await?);
    Ok(())
}

async fn transform(client: &Client, options: &Options) -> Result<(), Failure> {
    let work = Duration::from_millis(options.work_ms);
    let worker = worker(client, options, "transform");
    let summary = worker.run(move |task: Job| async move {
        let Text { job, text } = task.json()?;
        tokio::time::sleep(work).await;
        let words = text.split_whitespace().count();
        Ok::<_, Failure>(Outcome::Next(Submit::json("store", &Words { job, words })))
    });
    println!("transform: {:?}", summary.await?);
    Ok(())
}

/// The one effect outside of Corndogs bears being done twice: the same job writes the same file.
async fn store(client: &Client, options: &Options) -> Result<(), Failure> {
    let work = Duration::from_millis(options.work_ms);
    let results = options.results.clone();
    fs::create_dir_all(&results)?;
    let worker = worker(client, options, "store");
    let summary = worker.run(move |task: Job| {
        let results = results.clone();
        async move {
            let words: Words = task.json()?;
            tokio::time::sleep(work).await;
            let unfinished = results.join(format!("{}.{}", words.job, task.task().attempt));
            fs::write(&unfinished, serde_json::to_vec(&words)?)?;
            fs::rename(unfinished, results.join(format!("{}.json", words.job)))?;
            Ok::<_, Failure>(Outcome::Done)
        }
    });
    println!("store: {:?}", summary.await?);
    Ok(())
}
