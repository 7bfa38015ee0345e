//! TLS: who is served, what a rotation changes, and that nobody hurts the server.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use corndogs::proto::v1alpha1::*;
use corndogs::tls::{ClientFiles, ClientTls, Connector, HANDSHAKE_TIMEOUT, NamedFile};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::transport::Endpoint;

use crate::common::certs::{Authority, Secret};
use crate::common::{Api, PATIENCE, Server, Setup, binary, metric, until};

const NAMES: &[&str] = &["localhost", "127.0.0.1"];

fn secret(ca: &Authority) -> Secret {
    Secret::new(&ca.issue(NAMES), ca)
}

fn with_tls(setup: Setup, secret: &Secret) -> Setup {
    setup
        .arg("--tls-cert", &secret.cert().display().to_string())
        .arg("--tls-key", &secret.key().display().to_string())
}

fn with_client_ca(setup: Setup, secret: &Secret) -> Setup {
    with_tls(setup, secret).arg("--tls-client-ca", &secret.ca().display().to_string())
}

/// A client that trusts the secret's CA and, if asked to, shows the secret's certificate.
fn client_tls(secret: &Secret, shows: bool) -> ClientTls {
    let named = |path| NamedFile {
        origin: "test".into(),
        path,
    };
    let identity = shows.then(|| (named(secret.cert()), named(secret.key())));
    let ca = named(secret.ca());
    ClientTls::load(&ClientFiles { ca, identity }).unwrap()
}

/// A connection with TLS that has been served one call, or why there is none.
async fn connect(server: &Server, tls: ClientTls) -> Result<Api, String> {
    let endpoint = Endpoint::from_shared(format!("https://{}", server.grpc)).unwrap();
    let endpoint = endpoint.timeout(PATIENCE);
    let connected = endpoint.connect_with_connector(Connector::new(tls)).await;
    let client = Api::over(connected.map_err(|error| format!("{error:?}"))?);
    let mut api = client.clone();
    api.queues().await.map_err(|error| format!("{error:?}"))?;
    Ok(client)
}

/// The certificate that a new connection is shown.
async fn shown(server: &Server, tls: &ClientTls) -> Result<Vec<u8>, String> {
    let tcp = TcpStream::connect(server.grpc).await.unwrap();
    let stream = tls.connect("localhost", tcp).await;
    let stream = stream.map_err(|error| error.to_string())?;
    Ok(stream.peer_certificates().remove(0))
}

async fn assert_survived(server: &mut Server, secret: &Secret) {
    assert!(server.is_running(), "it is gone");
    let mut api = connect(server, client_tls(secret, true)).await.unwrap();
    api.assert_serves().await;
}

#[tokio::test]
async fn who_trusts_the_ca_is_served() {
    let (trusted, other) = (Authority::new("trusted"), Authority::new("other"));
    let secret = secret(&trusted);
    let mut server = Server::start_with(|setup| with_tls(setup, &secret)).await;
    let mut api = connect(&server, client_tls(&secret, false)).await.unwrap();
    api.assert_serves().await;
    let payload = vec![b'x'; 1 << 20];
    let request = SubmitTaskRequest {
        payload: payload.clone().into(),
        ..Default::default()
    };
    let task = api.submit(request).await.unwrap();
    let found = api.get(&task.uuid).await.unwrap().unwrap();
    assert!(found.payload == payload, "a large payload has changed");

    let stranger = Secret::new(&other.issue(NAMES), &other);
    let refused = connect(&server, client_tls(&stranger, false)).await;
    let error = refused.err().expect("a server of another CA was trusted");
    assert!(error.contains("UnknownIssuer"), "{error}");
    assert_survived(&mut server, &secret).await;
}

#[tokio::test]
async fn who_speaks_no_tls_gets_an_error_and_hurts_nobody() {
    let secret = secret(&Authority::new("ca"));
    let mut server = Server::start_with(|setup| with_tls(setup, &secret)).await;
    for _ in 0..3 {
        let error = Api::lazy(server.grpc).queues().await.unwrap_err();
        let codes = [tonic::Code::Unavailable, tonic::Code::Internal];
        assert!(codes.contains(&error.code()), "{error}");
    }
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0x16, 3, 1, 0xff, 0xff],
        &[0; 70_000],
    ] {
        let mut stream = TcpStream::connect(server.grpc).await.unwrap();
        // It may hang up before it has read everything.
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await;
        assert!(read.is_ok(), "it neither answers nor hangs up");
    }
    assert_survived(&mut server, &secret).await;
    let failures = "corndogs_tls_handshake_failures_total{of=\"clients\"}";
    until("the failures are counted", async || {
        (metric(server.http, failures).await >= 6.0).then_some(())
    })
    .await;
    let warned = server.stderr().matches("a TLS handshake failed").count();
    assert_eq!(warned, 1, "{}", server.stderr());
}

#[tokio::test]
async fn tls_on_a_port_without_it_hurts_nobody() {
    let secret = secret(&Authority::new("ca"));
    let mut server = Server::start().await;
    for _ in 0..3 {
        assert!(connect(&server, client_tls(&secret, false)).await.is_err());
    }
    assert!(server.is_running());
    server.api().await.assert_serves().await;
}

#[tokio::test]
async fn clients_show_certificates_where_they_must() {
    let (trusted, other) = (Authority::new("trusted"), Authority::new("other"));
    let secret = secret(&trusted);
    let mut server = Server::start_with(|setup| with_client_ca(setup, &secret)).await;
    let refused = connect(&server, client_tls(&secret, false)).await;
    let error = refused.err().expect("served without a certificate");
    assert!(error.contains("CertificateRequired"), "{error}");

    // It knows the server, and its own certificate comes from somebody else.
    let mut stranger = Secret::new(&other.issue(NAMES), &other);
    let issued = other.issue(NAMES);
    stranger.swap(&issued.cert, &issued.key, &trusted.pem());
    let refused = connect(&server, client_tls(&stranger, true)).await;
    let error = refused.err().expect("served with a stranger's certificate");
    assert!(error.contains("alert"), "{error}");
    assert_survived(&mut server, &secret).await;
}

#[tokio::test]
async fn a_rotation_changes_new_connections_alone() {
    let (first, second) = (Authority::new("first"), Authority::new("second"));
    let [old, new] = [&first, &second].map(|ca| ca.issue(NAMES));
    let mut secret = Secret::new(&old, &first);
    let server = Server::start_with(|setup| with_client_ca(setup, &secret)).await;
    let mut connected = connect(&server, client_tls(&secret, true)).await.unwrap();
    let of_old = client_tls(&Secret::new(&old, &first), true);
    assert_eq!(shown(&server, &of_old).await.unwrap(), old.der);

    secret.swap(&new.cert, &new.key, &second.pem());
    let of_new = client_tls(&Secret::new(&new, &second), true);
    until("the new certificate is shown", async || {
        (shown(&server, &of_new).await.ok()? == new.der).then_some(())
    })
    .await;
    connect(&server, of_new).await.unwrap();
    let refused = connect(&server, of_old).await;
    assert!(refused.is_err(), "a certificate of the old CA is taken");
    connected.assert_serves().await;
}

#[tokio::test]
async fn a_broken_rotation_keeps_the_old_certificate() {
    const WARNING: &str = "changed TLS files can't be used";
    let ca = Authority::new("ca");
    let [old, new] = [(); 2].map(|()| ca.issue(NAMES));
    let mut secret = Secret::new(&old, &ca);
    let server = Server::start_with(|setup| with_tls(setup, &secret)).await;
    let tls = client_tls(&secret, false);

    secret.swap(&new.cert, &old.key, &ca.pem());
    let warned = || server.stderr().matches(WARNING).count();
    until("a warning", async || {
        assert_eq!(shown(&server, &tls).await.unwrap(), old.der);
        (warned() > 0).then_some(())
    })
    .await;
    // More looks at the same files say nothing more.
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(1100)).await;
        assert_eq!(shown(&server, &tls).await.unwrap(), old.der);
    }
    assert_eq!(warned(), 1, "{}", server.stderr());
    let told = format!("--tls-key: bad value {:?}: ", secret.key());
    assert!(server.stderr().contains(&told), "{}", server.stderr());

    secret.swap(&new.cert, &new.key, &ca.pem());
    until("the new certificate is shown", async || {
        (shown(&server, &tls).await.unwrap() == new.der).then_some(())
    })
    .await;
}

/// More than there may be at once, none of which says a word: others are served, at the latest
/// when these have had their time.
#[tokio::test]
async fn silent_connections_are_given_up() {
    let secret = secret(&Authority::new("ca"));
    let mut server = Server::start_with(|setup| with_tls(setup, &secret)).await;
    let connections = async |count| {
        let mut silent: Vec<TcpStream> = Vec::new();
        for _ in 0..count {
            silent.push(TcpStream::connect(server.grpc).await.unwrap());
        }
        silent
    };
    let some = connections(100).await;
    // None of the hundred has had the time that it may take.
    let served = connect(&server, client_tls(&secret, false));
    let in_time = tokio::time::timeout(HANDSHAKE_TIMEOUT / 2, served).await;
    in_time.expect("held up by silent connections").unwrap();
    let more = connections(200).await;
    until("somebody else is served", async || {
        connect(&server, client_tls(&secret, false)).await.ok()
    })
    .await;
    assert_survived(&mut server, &secret).await;
    drop((some, more));
}

#[tokio::test]
async fn sigterm_ends_tls_connections_too() {
    let secret = secret(&Authority::new("ca"));
    let mut server = Server::start_with(|setup| with_tls(setup, &secret)).await;
    let mut api = connect(&server, client_tls(&secret, false)).await.unwrap();
    api.assert_serves().await;
    let _silent = TcpStream::connect(server.grpc).await.unwrap();
    assert_eq!(server.stop().await, Some(0), "{}", server.stderr());
}

/// What a server that must not start says.
fn refused(code: i32, configure: impl FnOnce(Setup) -> Setup, words: &[&str]) {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let (ended, stderr) = configure(Setup::at(&data_dir)).refused();
    assert_eq!(ended, Some(code), "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "no {word:?} in:\n{stderr}");
    }
    assert!(!data_dir.exists(), "it touched the data directory");
}

#[test]
fn half_of_tls_is_a_usage_error() {
    let half = |given: &[(&str, &str)], missing: &[&str]| {
        let mut words: Vec<&str> = given
            .iter()
            .flat_map(|(flag, file)| [*flag, *file])
            .collect();
        words.extend(missing);
        let flags = |setup: Setup| {
            given
                .iter()
                .fold(setup, |s, (flag, file)| s.arg(flag, file))
        };
        refused(2, flags, &words);
    };
    half(&[("--tls-cert", "/c")], &["--tls-key"]);
    half(&[("--tls-key", "/k")], &["--tls-cert"]);
    half(&[("--tls-client-ca", "/a")], &["--tls-cert", "--tls-key"]);
    half(
        &[("--peer-tls-cert", "/c"), ("--peer-tls-key", "/k")],
        &["--peer-tls-ca"],
    );
    half(
        &[("--peer-tls-ca", "/a")],
        &["--peer-tls-cert", "--peer-tls-key"],
    );
    let peers = |setup: Setup| {
        let setup = setup.arg("--peer-tls-cert", "/c");
        setup.arg("--peer-tls-key", "/k").arg("--peer-tls-ca", "/a")
    };
    refused(2, peers, &["--peer-tls-cert", "\"/c\"", "--members"]);
    refused(
        2,
        |setup| setup.env("CORNDOGS_TLS_CERT", "/c"),
        &["CORNDOGS_TLS_CERT", "\"/c\"", "--tls-key"],
    );
}

#[test]
fn files_that_cannot_be_used_stop_the_start() {
    let ca = Authority::new("ca");
    let mut secret = secret(&ca);
    let [cert, key] = [secret.cert(), secret.key()].map(|path| path.display().to_string());
    let flags = |setup: Setup| with_tls(setup, &secret);
    let missing = |setup: Setup| setup.arg("--tls-cert", "/nowhere").arg("--tls-key", &key);
    refused(1, missing, &["--tls-cert: bad value \"/nowhere\": "]);
    fs::write(Path::new(&key), "").unwrap();
    refused(1, flags, &["--tls-key: ", &key]);
    let [one, other] = [(); 2].map(|()| ca.issue(NAMES));
    secret.swap(&one.cert, &other.key, &ca.pem());
    refused(
        1,
        |setup| with_tls(setup, &secret),
        &["--tls-key: ", &key, &cert],
    );
}

/// A client command; arguments are split at spaces.
struct Cli {
    address: SocketAddr,
    ca_variable: Option<PathBuf>,
}

impl Cli {
    fn to(address: SocketAddr, ca_variable: Option<PathBuf>) -> Self {
        Self {
            address,
            ca_variable,
        }
    }

    async fn run(&self, line: &str) -> (i32, String, String) {
        let mut command = Command::new(binary());
        command.args(line.split(' ')).env_clear();
        command.args(["--address", &self.address.to_string()]);
        if let Some(ca) = &self.ca_variable {
            command.env("CORNDOGS_TLS_CA", ca);
        }
        command.stdin(Stdio::null());
        let output = tokio::task::spawn_blocking(move || command.output()).await;
        let output = output.unwrap().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (
            output.status.code().unwrap(),
            text(output.stdout),
            text(output.stderr),
        )
    }

    async fn succeeds(&self, line: &str) {
        let (code, _, stderr) = self.run(line).await;
        assert_eq!((code, stderr.as_str()), (0, ""), "{line}");
    }

    async fn fails(&self, line: &str, expected: i32, words: &str) {
        let (code, stdout, stderr) = self.run(line).await;
        assert_eq!((code, stdout.as_str()), (expected, ""), "{line}: {stderr}");
        assert!(stderr.contains(words), "{line}: {stderr}");
    }
}

#[tokio::test]
async fn the_command_line_speaks_tls() {
    let (trusted, other) = (Authority::new("trusted"), Authority::new("other"));
    let secret = Secret::new(&trusted.issue(&["corndogs.test", "127.0.0.1"]), &trusted);
    let stranger = Secret::new(&other.issue(NAMES), &other);
    let server = Server::start_with(|setup| with_tls(setup, &secret)).await;
    let home = tempfile::tempdir().unwrap();
    let backup = home.path().join("backup");
    let by_flag = format!("--tls-ca {}", secret.ca().display());
    let without = Cli::to(server.grpc, None);
    let with = Cli::to(server.grpc, Some(secret.ca()));
    for line in [
        "submit-task -q q --payload x",
        "get-queues",
        "cluster status",
        &format!("backup --out {}", backup.display()),
        "bench lifecycle --seconds 0.1 --workers 2 --connections 2",
        "get-queues --tls-server-name corndogs.test",
    ] {
        without.succeeds(&format!("{line} {by_flag}")).await;
        with.succeeds(line).await;
    }
    assert!(fs::metadata(&backup).unwrap().len() > 0);

    let hint = "the server may want TLS (--tls-ca)";
    without.fails("get-queues", 1, hint).await;
    let wrong_name = "get-queues --tls-server-name a.test";
    with.fails(wrong_name, 1, "not valid for name \"a.test\"")
        .await;
    let strange = Cli::to(server.grpc, Some(stranger.ca()));
    strange.fails("get-queues", 1, "UnknownIssuer").await;
    // A flag goes over the variable.
    strange.succeeds(&format!("get-queues {by_flag}")).await;
    let plain = Server::start().await;
    let to_plain = Cli::to(plain.grpc, Some(secret.ca()));
    to_plain.fails("get-queues", 1, "may not speak TLS").await;
}

#[tokio::test]
async fn the_command_line_shows_a_certificate() {
    let secret = secret(&Authority::new("ca"));
    let server = Server::start_with(|setup| with_client_ca(setup, &secret)).await;
    let cli = Cli::to(server.grpc, Some(secret.ca()));
    cli.fails("get-queues", 1, "CertificateRequired").await;
    let [cert, key] = [secret.cert(), secret.key()].map(|path| path.display().to_string());
    let line = format!("get-queues --tls-cert {cert} --tls-key {key}");
    cli.succeeds(&line).await;
}

#[tokio::test]
async fn flags_of_the_command_line_that_cannot_be_used() {
    let secret = secret(&Authority::new("ca"));
    // Nobody is asked: the flags are wrong.
    let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
    let without = Cli::to(nobody, None);
    let with = Cli::to(nobody, Some(secret.ca()));
    let nowhere = Cli::to(nobody, Some("/nowhere".into()));
    let variable = "environment variable CORNDOGS_TLS_CA: bad value \"/nowhere\"";
    nowhere.fails("get-queues", 2, variable).await;
    for (cli, flags, words) in [
        (
            &without,
            "--tls-ca /nowhere",
            "--tls-ca: bad value \"/nowhere\"",
        ),
        (&without, "--tls-server-name a.test", "--tls-ca"),
        (&without, "--tls-cert /c --tls-key /k", "--tls-ca"),
        (&with, "--tls-cert /c", "--tls-key"),
        (&with, "--tls-key /k", "--tls-cert"),
        (
            &with,
            "--tls-cert /c --tls-key /k",
            "--tls-cert: bad value \"/c\"",
        ),
        (&with, "--tls-server-name a_=b", "--tls-server-name: "),
    ] {
        cli.fails(&format!("get-queues {flags}"), 2, words).await;
    }
}
