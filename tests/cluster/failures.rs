//! What clients make of failures: the tests rest on it.

use std::net::SocketAddr;

use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tonic::{Code, Status};

use crate::common::{Api, Failure, failure};

#[test]
fn the_words_of_the_contract_decide() {
    let unavailable = |message: &str| failure(&Status::new(Code::Unavailable, message));
    let known = unavailable("there is no leader: nothing was done");
    assert_eq!(known, Failure::NothingDone);
    let unknown = unavailable("the leader is gone: the outcome is not known");
    assert_eq!(unknown, Failure::Unknown);
    assert_eq!(unavailable("no"), Failure::Unclear);
    let late = Status::deadline_exceeded("");
    assert_eq!(failure(&late), Failure::Unknown);
    for code in [Code::InvalidArgument, Code::AlreadyExists, Code::Internal] {
        let refused = Status::new(code, "nothing was done");
        assert_eq!(failure(&refused), Failure::Refused);
    }
}

async fn failure_at(address: SocketAddr) -> Failure {
    let status = Api::lazy(address).queues().await.unwrap_err();
    println!("{status:?}");
    failure(&status)
}

#[tokio::test]
async fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    assert_eq!(failure_at(address).await, Failure::NothingDone);
}

#[tokio::test]
async fn the_server_dies_after_it_got_the_request() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(stream).await.unwrap();
        let _request = connection.accept().await.unwrap().unwrap();
        // Both are dropped: the process ends.
    });
    assert_eq!(failure_at(address).await, Failure::Unknown);
}

#[tokio::test]
async fn the_server_dies_before_it_answers_anything() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut some = [0; 200];
        let _ = stream.read(&mut some).await;
    });
    // The request may be among the bytes that it read.
    assert_eq!(failure_at(address).await, Failure::Unknown);
}

#[tokio::test]
async fn the_server_refuses_the_stream() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(stream).await.unwrap();
        let (_request, mut answer) = connection.accept().await.unwrap().unwrap();
        answer.send_reset(h2::Reason::REFUSED_STREAM);
        let _ = connection.accept().await;
    });
    assert_eq!(failure_at(address).await, Failure::NothingDone);
}
