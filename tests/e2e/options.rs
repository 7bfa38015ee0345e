//! Options as flags, as variables and in a file; the original's variables; what is refused.

use std::fs;

use corndogs::proto::v1alpha1::*;

use crate::common::{Server, Setup};

async fn submit(server: &Server) -> Task {
    server
        .api()
        .await
        .submit(SubmitTaskRequest::default())
        .await
        .unwrap()
}

#[tokio::test]
async fn the_original_variables_work() {
    let server = Server::start_with(|setup| {
        let setup = setup
            .env("DEFAULT_QUEUE", "theirs")
            .env("DEFAULT_STARTING_STATE", "queued");
        setup.env("DEFAULT_TIMEOUT", "90").env("LOGLEVEL", "error")
    })
    .await;
    let task = submit(&server).await;
    assert_eq!(
        (task.queue.as_str(), task.current_state.as_str()),
        ("theirs", "queued")
    );
    assert_eq!(
        (task.auto_target_state.as_str(), task.timeout),
        ("queued-working", 90)
    );
    let claimed = server
        .api()
        .await
        .claim(GetNextTaskRequest::default())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(claimed.uuid, task.uuid);
    assert!(!server.stderr().contains("INFO"), "{}", server.stderr());
}

#[tokio::test]
async fn flag_over_environment_over_file() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("corndogs.toml");
    fs::write(
        &file,
        "default-queue = \"file\"\ndefault-state = \"file\"\ndefault-timeout = 3\n",
    )
    .unwrap();
    let path = file.display().to_string();
    let server = Server::start_with(|setup| {
        let setup = setup.arg("--config", &path).arg("--default-queue", "flag");
        setup
            .env("CORNDOGS_DEFAULT_QUEUE", "variable")
            .env("CORNDOGS_DEFAULT_STATE", "variable")
    })
    .await;
    let task = submit(&server).await;
    assert_eq!(
        (
            task.queue.as_str(),
            task.current_state.as_str(),
            task.timeout
        ),
        ("flag", "variable", 3)
    );
}

fn assert_usage(configure: impl FnOnce(Setup) -> Setup, words: &[&str]) {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let (code, stderr) = configure(Setup::at(&data_dir)).refused();
    assert_eq!(code, Some(2), "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "no {word:?} in:\n{stderr}");
    }
    assert!(!data_dir.exists(), "it touched the data directory");
}

#[test]
fn bad_values_are_usage_errors() {
    let flags = [
        ("--timeout-sweep", "soon"),
        ("--archive-retention", "-1s"),
        ("--max-payload", "many"),
        ("--snapshot-every", "0"),
        ("--idempotency-window", "0s"),
        ("--node-id", "none"),
    ];
    for (flag, value) in flags {
        assert_usage(|setup| setup.arg(flag, value), &[flag, value]);
    }
    assert_usage(
        |setup| setup.env("CORNDOGS_MAX_PAYLOAD", "many"),
        &["CORNDOGS_MAX_PAYLOAD", "many"],
    );
    assert_usage(
        |setup| setup.env("DEFAULT_TIMEOUT", "long"),
        &["DEFAULT_TIMEOUT", "long"],
    );
    assert_usage(
        |setup| setup.arg("--no-such-option", "x"),
        &["--no-such-option"],
    );
}

#[test]
fn bad_files_are_usage_errors() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("corndogs.toml");
    let path = file.display().to_string();
    let with_file = |setup: Setup| setup.arg("--config", &path);
    assert_usage(with_file, &[&path]);
    for (text, word) in [
        ("max-payloads = 5", "max-payloads"),
        ("max-payload = \"x\"", "max-payload"),
        ("[", "corndogs.toml"),
    ] {
        fs::write(&file, text).unwrap();
        assert_usage(with_file, &[&path, word]);
    }
}

#[test]
fn half_a_cluster_is_a_usage_error() {
    assert_usage(
        |setup| setup.arg("--node-id", "1"),
        &["--node-id", "--members", "--peer-listen"],
    );
    assert_usage(
        |setup| setup.arg("--members", "1=localhost:1"),
        &["--members", "--node-id"],
    );
}

#[test]
fn a_node_that_is_no_member_is_a_usage_error() {
    let here = rustix::system::uname();
    let here = here.nodename().to_string_lossy().into_owned();
    let cluster = |id: &'static str| {
        move |setup: Setup| {
            setup
                .arg("--node-id", id)
                .arg("--peer-listen", "127.0.0.1:0")
                .arg("--members", "1=node-a.example:1,2=node-b.example:1")
        }
    };
    assert_usage(cluster("3"), &["--members", "node-id 3"]);
    assert_usage(cluster("auto"), &["--node-id", &here, "1=node-a.example:1"]);
}
