//! What no client should send: the server answers or hangs up, stays up and serves.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use corndogs::proto::v1alpha1::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;

use crate::common::{PATIENCE, Random, Server, http_get};
use crate::wire::{Wire, encoded, framed, path, prefixed};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

async fn assert_survived(server: &mut Server) {
    assert!(server.is_running(), "it is gone");
    server.api().await.assert_serves().await;
    assert_eq!(server.readyz().await.0, 200);
}

/// Sends bytes and tells what came back until the server hung up; none if it did not.
async fn send(address: SocketAddr, bytes: &[u8], wait: Duration) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // It may hang up before it has read everything.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(wait, stream.read_to_end(&mut answer)).await;
    read.ok().map(|_| answer)
}

#[tokio::test]
async fn garbage_on_both_ports() {
    let mut server = Server::start().await;
    let mut random = Random::seeded("garbage");
    for round in 0..60 {
        let len = random.below(20_000) as usize;
        let mut bytes = random.bytes(len);
        let address = if round % 2 == 0 {
            server.grpc
        } else {
            server.http
        };
        if round % 4 == 0 {
            bytes = [PREFACE, SETTINGS, &bytes].concat();
        }
        send(address, &bytes, Duration::from_millis(50)).await;
    }
    assert_survived(&mut server).await;
}

#[tokio::test]
async fn http1_on_the_grpc_port() {
    let mut server = Server::start().await;
    for request in [
        "GET / HTTP/1.1\r\nhost: x\r\n\r\n",
        "POST /corndogs HTTP/1.0\r\n\r\nbody",
        "\r\n\r\n\r\n\r\n\r\n\r\n\r\n",
    ] {
        let answer = send(server.grpc, request.as_bytes(), PATIENCE).await;
        assert!(
            answer.is_some(),
            "it neither answers nor hangs up: {request:?}"
        );
    }
    assert_survived(&mut server).await;
}

#[tokio::test]
async fn frames_that_break_http2() {
    let mut server = Server::start().await;
    let frame = |length: [u8; 3], kind: u8, flags: u8, stream: u32| {
        [&length[..], &[kind, flags], &stream.to_be_bytes()].concat()
    };
    let broken = [
        // Longer than any frame may be: headers, data, settings.
        frame([0xff, 0xff, 0xff], 1, 4, 1),
        frame([0xff, 0xff, 0xff], 0, 0, 1),
        frame([0xff, 0xff, 0xff], 4, 0, 0),
        // Data on a stream that is not open, headers on stream 0, a window that overflows.
        [frame([0, 0, 3], 0, 0, 5), vec![1, 2, 3]].concat(),
        [frame([0, 0, 3], 1, 4, 0), vec![1, 2, 3]].concat(),
        [frame([0, 0, 4], 8, 0, 0), vec![0x7f, 0xff, 0xff, 0xff]].concat(),
        // Headers that are no HPACK.
        [frame([0, 0, 4], 1, 4, 1), vec![0xff; 4]].concat(),
    ];
    for bytes in broken {
        let bytes = [PREFACE, SETTINGS, &bytes].concat();
        let answer = send(server.grpc, &bytes, PATIENCE).await;
        assert!(answer.is_some(), "it does not hang up: {bytes:?}");
    }
    assert_survived(&mut server).await;
}

#[tokio::test]
async fn bytes_that_are_no_message() {
    let mut server = Server::start().await;
    let wire = Wire::connect(server.grpc).await;
    let broken: [&[u8]; 5] = [
        &[0xff; 12],
        // A varint without end, a length past the end, a queue that is a number, a queue that is no UTF-8.
        &[0x20, 0xff],
        &[0x0a, 0x7f, 1],
        &[0x08, 1],
        &[0x0a, 2, 0xc3, 0x28],
    ];
    for body in broken {
        for call in ["SubmitTask", "GetNextTask", "CleanUpTimedOut"] {
            // CleanUpTimedOut's field 1 is a number, and it has no field 4 that could be wrong.
            if call == "CleanUpTimedOut" && (body[0] & 7 == 0 && body.len() == 2 && body[1] == 1) {
                continue;
            }
            let answer = wire.call(&path(call), &[], framed(body)).await.unwrap();
            let code = answer.code;
            assert!(
                matches!(code, Some(Code::Internal | Code::InvalidArgument)),
                "{call} {body:?}: {answer:?}"
            );
        }
    }
    let mut random = Random::seeded("no message");
    for _ in 0..200 {
        let len = random.below(300) as usize;
        let body = framed(&random.bytes(len));
        let answer = wire.call(&path("UpdateTask"), &[], body).await.unwrap();
        assert!(
            matches!(answer.code, Some(Code::Internal | Code::InvalidArgument)),
            "{answer:?}"
        );
    }
    assert_eq!(server.api().await.queues().await.unwrap(), (vec![], 0));
    assert_survived(&mut server).await;
}

#[tokio::test]
async fn prefixes_that_lie() {
    let mut server = Server::start().await;
    let wire = Wire::connect(server.grpc).await;
    for length in [u32::MAX, 1 << 30, (16 << 20) + 1] {
        let answer = wire
            .call(&path("SubmitTask"), &[], prefixed(0, length, b"short"))
            .await
            .unwrap();
        assert!(
            matches!(
                answer.code,
                Some(Code::ResourceExhausted | Code::OutOfRange)
            ),
            "{answer:?}"
        );
    }
    let lies = [
        prefixed(0, 100, b"short"),
        prefixed(1, 5, b"short"),
        prefixed(77, 5, b"short"),
        Bytes::from_static(&[0, 0]),
        Bytes::new(),
    ];
    for body in lies {
        let answer = wire
            .call(&path("SubmitTask"), &[], body.clone())
            .await
            .unwrap();
        assert!(
            answer.code.is_some_and(|code| code != Code::Ok),
            "{body:?}: {answer:?}"
        );
    }
    assert_eq!(server.api().await.queues().await.unwrap(), (vec![], 0));
    assert_survived(&mut server).await;
}

#[tokio::test]
async fn calls_that_are_none() {
    let mut server = Server::start().await;
    let wire = Wire::connect(server.grpc).await;
    let body = || encoded(&SubmitTaskRequest::default());
    for unknown in [
        "/",
        "/x",
        "/corndogs.v1alpha1.CorndogsService/Nothing",
        "/corndogs.v2.CorndogsService/SubmitTask",
    ] {
        let answer = wire.call(unknown, &[], body()).await.unwrap();
        assert_eq!(
            answer.code,
            Some(Code::Unimplemented),
            "{unknown}: {answer:?}"
        );
    }
    let long = "x".repeat(200_000);
    let refused = match wire
        .call(&path("SubmitTask"), &[("x-long", &long)], body())
        .await
    {
        Ok(answer) => answer.http == 431 || answer.code.is_some_and(|code| code != Code::Ok),
        Err(_) => true,
    };
    assert!(refused, "200 kB of metadata were taken");
    assert_eq!(server.api().await.queues().await.unwrap(), (vec![], 0));
    assert_survived(&mut server).await;
}

/// A deadline that can't be read is no deadline, as in every gRPC server.
#[tokio::test]
async fn deadlines_that_are_none() {
    let mut server = Server::start().await;
    let wire = Wire::connect(server.grpc).await;
    for text in ["", "x", "-5S", "999999999999S", "5Y"] {
        let body = encoded(&GetQueuesRequest {});
        let answer = wire
            .call(&path("GetQueues"), &[("grpc-timeout", text)], body)
            .await
            .unwrap();
        assert_ne!(answer.code, None, "{text}: {answer:?}");
        assert_ne!(
            answer.code,
            Some(Code::DeadlineExceeded),
            "{text}: {answer:?}"
        );
    }
    assert_survived(&mut server).await;
}

#[tokio::test]
async fn half_open_connections() {
    let mut server = Server::start().await;
    let mut open = Vec::new();
    let halves: [&[u8]; 4] = [b"", &PREFACE[..10], PREFACE, b"GET /metrics HT"];
    for number in 0..400 {
        let address = if number % 2 == 0 {
            server.grpc
        } else {
            server.http
        };
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(halves[number / 2 % halves.len()])
            .await
            .unwrap();
        open.push(stream);
    }
    // Half a message of a call.
    let wire = Wire::connect(server.grpc).await;
    let (_answer, mut stream) = wire.open(&path("SubmitTask"), &[]).await.unwrap();
    stream.send_data(prefixed(0, 1000, b"half"), false).unwrap();
    assert_survived(&mut server).await;
    drop(open);
    assert_survived(&mut server).await;
}

#[tokio::test]
async fn streams_opened_and_reset() {
    let mut server = Server::start().await;
    for _ in 0..5 {
        let wire = Wire::connect(server.grpc).await;
        for _ in 0..1000 {
            match wire.open(&path("SubmitTask"), &[]).await {
                Ok((_, mut stream)) => stream.send_reset(h2::Reason::CANCEL),
                // Enough is enough: the server may hang up.
                Err(_) => break,
            }
        }
    }
    assert_survived(&mut server).await;
}

#[tokio::test]
async fn the_http_port() {
    let mut server = Server::start().await;
    assert_eq!(http_get(server.http, "/nothing").await.unwrap().0, 404);
    let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(1 << 20));
    let headers = format!("GET / HTTP/1.1\r\n{}\r\n", "x-a: b\r\n".repeat(20_000));
    let requests = [
        "POST /metrics HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        &long,
        &headers,
    ];
    for request in requests {
        let answer = send(server.http, request.as_bytes(), PATIENCE).await;
        let answer = answer.unwrap_or_else(|| panic!("it does not hang up: {:.50}", request));
        assert!(
            !answer.starts_with(b"HTTP/1.1 2"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
    }
    // HTTP/2 where none is spoken.
    send(
        server.http,
        &[PREFACE, SETTINGS].concat(),
        Duration::from_millis(200),
    )
    .await;
    assert_survived(&mut server).await;
}
