#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../../tests/common/certs.rs"]
#[allow(missing_docs)]
mod certs;

use std::fs;
use std::io;
use std::path::PathBuf;

use rcgen::KeyPair;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use certs::{Authority, Issued, Secret};

const HOST: &str = "node-1.corndogs";

fn named(option: &str, path: PathBuf) -> NamedFile {
    NamedFile {
        origin: format!("--{option}"),
        path,
    }
}

fn server_files(secret: &Secret) -> ServerFiles {
    ServerFiles {
        cert: named("tls-cert", secret.cert()),
        key: named("tls-key", secret.key()),
        client_ca: None,
    }
}

fn client_files(secret: &Secret) -> ClientFiles {
    ClientFiles {
        ca: named("tls-ca", secret.ca()),
        identity: None,
    }
}

fn peer_files(secret: &Secret) -> PeerFiles {
    PeerFiles {
        cert: named("peer-tls-cert", secret.cert()),
        key: named("peer-tls-key", secret.key()),
        ca: named("peer-tls-ca", secret.ca()),
    }
}

fn secret(ca: &Authority) -> Secret {
    Secret::new(&ca.issue(&[HOST, "127.0.0.1", "::1"]), ca)
}

/// Both ends of a connection.
async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (accepted, connected) = tokio::join!(listener.accept(), TcpStream::connect(address));
    (accepted.unwrap().0, connected.unwrap())
}

/// A handshake, and what each side says to it once a byte has gone both ways.
async fn shake(
    server: &ServerTls,
    client: &ClientTls,
    host: &str,
) -> (io::Result<TlsStream>, io::Result<TlsStream>) {
    async fn exchange(stream: io::Result<TlsStream>) -> io::Result<TlsStream> {
        let mut stream = stream?;
        stream.write_all(b"x").await?;
        stream.flush().await?;
        stream.read_exact(&mut [0]).await?;
        Ok(stream)
    }
    let (accepted, connected) = pair().await;
    let served = async { exchange(server.accept(accepted).await).await };
    let made = async { exchange(client.connect(host, connected).await).await };
    tokio::join!(served, made)
}

/// What the client says to a handshake that must fail.
async fn refused(server: &ServerTls, client: &ClientTls, host: &str) -> String {
    let (served, made) = shake(server, client, host).await;
    assert!(served.is_err());
    made.err().expect("it was not refused").to_string()
}

#[tokio::test]
async fn a_server_is_known_by_name_and_address() {
    let secret = secret(&Authority::new("ca"));
    let server = ServerTls::load(&server_files(&secret)).unwrap();
    let client = ClientTls::load(&client_files(&secret)).unwrap();
    for host in [HOST, "127.0.0.1", "::1", "[::1]"] {
        let (served, made) = shake(&server, &client, host).await;
        let (served, made) = (served.unwrap(), made.unwrap());
        assert!(served.peer_certificates().is_empty());
        assert_eq!(made.peer_certificates().len(), 1);
        assert!(!served.is_write_vectored() && !made.is_write_vectored());
    }
    for host in ["node-2.corndogs", "127.0.0.2", "[::2]"] {
        let error = refused(&server, &client, host).await;
        assert!(error.contains("certificate"), "{error}");
    }
    let error = client.connect("a b", pair().await.0).await.err().unwrap();
    assert!(error.to_string().contains("\"a b\""), "{error}");
}

#[tokio::test]
async fn another_ca_is_not_trusted() {
    let secrets = ["a", "b"].map(|name| secret(&Authority::new(name)));
    let server = ServerTls::load(&server_files(&secrets[0])).unwrap();
    let client = ClientTls::load(&client_files(&secrets[1])).unwrap();
    let error = refused(&server, &client, HOST).await;
    assert!(error.contains("UnknownIssuer"), "{error}");
}

#[tokio::test]
async fn h2_is_agreed_on() {
    let secret = secret(&Authority::new("ca"));
    let server = ServerTls::load(&server_files(&secret)).unwrap();
    let client = ClientTls::load(&client_files(&secret)).unwrap();
    let (served, made) = shake(&server, &client, HOST).await;
    assert_eq!(served.unwrap().alpn().as_deref(), Some(&b"h2"[..]));
    assert_eq!(made.unwrap().alpn().as_deref(), Some(&b"h2"[..]));
}

#[tokio::test]
async fn peers_show_certificates_to_each_other() {
    let ca = Authority::new("peers");
    let nodes = [secret(&ca), secret(&ca)];
    let [one, two] = nodes
        .each_ref()
        .map(|s| PeerTls::load(&peer_files(s)).unwrap());
    let (served, made) = shake(&one.server, &two.client, HOST).await;
    let (served, made) = (served.unwrap(), made.unwrap());
    assert_eq!(served.peer_certificates().len(), 1);
    assert_ne!(served.peer_certificates(), made.peer_certificates());

    let nobody = ClientTls::load(&client_files(&nodes[1])).unwrap();
    let error = refused(&one.server, &nobody, HOST).await;
    assert!(error.contains("CertificateRequired"), "{error}");

    let stranger = secret(&Authority::new("others"));
    let mut files = peer_files(&stranger).as_client();
    files.ca = named("peer-tls-ca", nodes[0].ca());
    let error = refused(&one.server, &ClientTls::load(&files).unwrap(), HOST).await;
    assert!(error.contains("received fatal alert"), "{error}");
}

#[tokio::test]
async fn keys_of_every_kind() {
    let ca = Authority::new("ca");
    for algorithm in [
        &rcgen::PKCS_ECDSA_P256_SHA256,
        &rcgen::PKCS_ECDSA_P384_SHA384,
        &rcgen::PKCS_ED25519,
    ] {
        let issued = ca.issue_with(&KeyPair::generate_for(algorithm).unwrap(), &[HOST]);
        let secret = Secret::new(&issued, &ca);
        let server = ServerTls::load(&server_files(&secret)).unwrap();
        let client = ClientTls::load(&client_files(&secret)).unwrap();
        let (served, made) = shake(&server, &client, HOST).await;
        assert!(served.is_ok());
        assert_eq!(made.unwrap().peer_certificates(), [issued.der]);
    }
}

#[tokio::test]
async fn a_peer_that_speaks_something_else_is_told_so() {
    let secret = secret(&Authority::new("ca"));
    let server = ServerTls::load(&server_files(&secret)).unwrap();
    let (accepted, mut connected) = pair().await;
    connected
        .write_all(b"PRI * HTTP/2.0\r\n\r\n")
        .await
        .unwrap();
    let accepting = tokio::spawn(async move { server.accept(accepted).await.err().unwrap() });
    let mut alert = Vec::new();
    connected.read_to_end(&mut alert).await.unwrap();
    assert_eq!(alert.first(), Some(&21), "{alert:?}");
    drop(connected);
    let error = accepting.await.unwrap().to_string();
    assert!(error.contains("may not speak TLS"), "{error}");

    let client = ClientTls::load(&client_files(&secret)).unwrap();
    let (mut plain, connected) = pair().await;
    plain.write_all(&[0; 64]).await.unwrap();
    let error = client.connect(HOST, connected).await.err().unwrap();
    assert!(error.to_string().contains("may not speak TLS"), "{error}");
    let (plain, connected) = pair().await;
    drop(plain);
    assert!(client.connect(HOST, connected).await.is_err());
}

#[tokio::test]
async fn a_silent_side_is_given_up() {
    let secret = secret(&Authority::new("ca"));
    let server = ServerTls::load(&server_files(&secret)).unwrap();
    let client = ClientTls::load(&client_files(&secret)).unwrap();
    let (accepted, _silent_client) = pair().await;
    let (_silent_server, connected) = pair().await;
    let (served, made) = tokio::join!(server.accept(accepted), client.connect(HOST, connected));
    for error in [served.err(), made.err()] {
        assert_eq!(
            error.map(|error| error.kind()),
            Some(io::ErrorKind::TimedOut)
        );
    }
}

/// What a load says to these contents.
fn load_error(cert: &str, key: &str, ca: &str) -> String {
    let good = Authority::new("ca");
    let mut secret = secret(&good);
    secret.swap(cert, key, ca);
    let mut files = server_files(&secret);
    files.client_ca = Some(named("tls-client-ca", secret.ca()));
    ServerTls::load(&files).err().unwrap().to_string()
}

#[test]
fn a_file_that_cannot_be_used_is_named_with_its_option() {
    let ca = Authority::new("ca");
    let (Issued { cert, key, .. }, ca) = (ca.issue(&[HOST]), ca.pem());
    let cut = &cert[..cert.len() / 2];
    let garbage = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    let no_key = "-----BEGIN PRIVATE KEY-----\naGVsbG8=\n-----END PRIVATE KEY-----\n";
    for (error, option, file) in [
        (load_error("", &key, &ca), "tls-cert", "tls.crt"),
        (load_error(cut, &key, &ca), "tls-cert", "tls.crt"),
        (load_error(garbage, &key, &ca), "tls-cert", "tls.crt"),
        (load_error(&key, &key, &ca), "tls-cert", "tls.crt"),
        (load_error(&cert, "", &ca), "tls-key", "tls.key"),
        (load_error(&cert, &cert, &ca), "tls-key", "tls.key"),
        (load_error(&cert, no_key, &ca), "tls-key", "tls.key"),
        (load_error(&cert, &key, ""), "tls-client-ca", "ca.crt"),
        (load_error(&cert, &key, garbage), "tls-client-ca", "ca.crt"),
    ] {
        assert!(
            error.starts_with(&format!("--{option}: bad value \"/")),
            "{error}"
        );
        assert!(error.contains(&format!("/{file}\": ")), "{error}");
    }
    let other = KeyPair::generate().unwrap().serialize_pem();
    let error = load_error(&cert, &other, &ca);
    assert!(error.starts_with("--tls-key: bad value \"/"), "{error}");
    assert!(error.ends_with("/tls.crt\" (--tls-cert)"), "{error}");
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_its_option() {
    let secret = secret(&Authority::new("ca"));
    fs::remove_file(secret.ca()).unwrap();
    let error = ClientTls::load(&client_files(&secret)).err().unwrap();
    let expected = format!("--tls-ca: bad value {:?}: can't read it: ", secret.ca());
    assert!(error.to_string().starts_with(&expected), "{error}");
    fs::create_dir(secret.ca()).unwrap();
    assert!(ClientTls::load(&client_files(&secret)).is_err());
    fs::remove_dir(secret.ca()).unwrap();
    fs::write(secret.ca(), vec![b'x'; (4 << 20) + 1]).unwrap();
    let error = ClientTls::load(&client_files(&secret)).err().unwrap();
    assert!(error.to_string().contains("longer than"), "{error}");
}

/// The certificate that a new connection is shown, once the server has looked at its files.
async fn shown(server: &ServerTls, ca: &Authority) -> Result<Vec<u8>, String> {
    server.look();
    let trusting = secret(ca);
    let client = ClientTls::load(&client_files(&trusting)).unwrap();
    let (_, made) = shake(server, &client, HOST).await;
    let made = made.map_err(|error| error.to_string())?;
    Ok(made.peer_certificates().remove(0))
}

#[tokio::test]
async fn what_changes_is_used_and_what_is_broken_is_not() {
    let (first, second) = (Authority::new("first"), Authority::new("second"));
    let [old, new] = [&first, &second].map(|ca| ca.issue(&[HOST]));
    let mut secret = Secret::new(&old, &first);
    let server = ServerTls::load(&server_files(&secret)).unwrap();
    assert_eq!(shown(&server, &first).await, Ok(old.der.clone()));
    let trusting = ClientTls::load(&client_files(&secret)).unwrap();
    let (mut open, mut at_client) = match shake(&server, &trusting, HOST).await {
        (Ok(open), Ok(at_client)) => (open, at_client),
        _ => panic!("no connection"),
    };

    // The new certificate with the old key, half a certificate, nothing: the old pair stays in use.
    for (cert, key) in [
        (&*new.cert, &*old.key),
        (&new.cert[..99], &new.key),
        ("", ""),
    ] {
        secret.swap(cert, key, &first.pem());
        assert_eq!(shown(&server, &first).await, Ok(old.der.clone()));
    }
    fs::remove_file(secret.key()).unwrap();
    assert_eq!(shown(&server, &first).await, Ok(old.der.clone()));
    std::os::unix::fs::symlink("..data/tls.key", secret.key()).unwrap();

    secret.swap(&new.cert, &new.key, &second.pem());
    assert_eq!(shown(&server, &second).await, Ok(new.der.clone()));
    assert!(shown(&server, &first).await.is_err());
    // The connection from before goes on.
    open.write_all(b"y").await.unwrap();
    open.flush().await.unwrap();
    let mut byte = [0];
    at_client.read_exact(&mut byte).await.unwrap();
    assert_eq!(&byte, b"y");
    // A file that is written in place counts too.
    fs::write(secret.cert(), &old.cert).unwrap();
    fs::write(secret.key(), &old.key).unwrap();
    assert_eq!(shown(&server, &first).await, Ok(old.der));
}

#[tokio::test]
async fn a_client_takes_over_a_new_ca_and_a_new_certificate() {
    let (first, second) = (Authority::new("first"), Authority::new("second"));
    let [servers, clients] = [&first, &second].map(secret);
    let mut files = server_files(&servers);
    files.client_ca = Some(named("tls-client-ca", servers.ca()));
    let server = ServerTls::load(&files).unwrap();
    let mut rotated = clients;
    let client = ClientTls::load(&peer_files(&rotated).as_client()).unwrap();
    let error = refused(&server, &client, HOST).await;
    assert!(error.contains("UnknownIssuer"), "{error}");

    let issued = first.issue(&[HOST]);
    rotated.swap(&issued.cert, &issued.key, &first.pem());
    client.look();
    let (served, made) = shake(&server, &client, HOST).await;
    assert!(made.is_ok());
    assert_eq!(served.unwrap().peer_certificates(), [issued.der]);
}
