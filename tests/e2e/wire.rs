//! gRPC by hand over HTTP/2, for what no well-behaved client sends.

use std::net::SocketAddr;

use bytes::{BufMut, Bytes, BytesMut};
use h2::SendStream;
use h2::client::{ResponseFuture, SendRequest};
use http::{HeaderMap, Request};
use prost::Message;
use tokio::net::TcpStream;
use tonic::Code;

/// The path of a call.
pub fn path(call: &str) -> String {
    format!("/corndogs.v1alpha1.CorndogsService/{call}")
}

/// Bytes behind gRPC's prefix: not compressed, and their length.
pub fn framed(message: &[u8]) -> Bytes {
    prefixed(0, u32::try_from(message.len()).unwrap(), message)
}

/// Bytes behind any prefix.
pub fn prefixed(compressed: u8, length: u32, message: &[u8]) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_u8(compressed);
    bytes.put_u32(length);
    bytes.put_slice(message);
    bytes.freeze()
}

/// A message as a client would send it.
pub fn encoded(message: &impl Message) -> Bytes {
    framed(&message.encode_to_vec())
}

/// One HTTP/2 connection.
pub struct Wire {
    requests: SendRequest<Bytes>,
}

/// What came back: the gRPC code, if there was one, and the body.
#[derive(Debug)]
pub struct Answer {
    pub http: u16,
    pub code: Option<Code>,
    pub body: Bytes,
}

impl Wire {
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (requests, connection) = h2::client::handshake(stream).await.unwrap();
        // Its errors show in the calls.
        tokio::spawn(async move { drop(connection.await) });
        Self { requests }
    }

    /// Sends the head of a call; the body is up to the caller.
    pub async fn open(
        &self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<(ResponseFuture, SendStream<Bytes>), h2::Error> {
        let mut requests = self.requests.clone().ready().await?;
        let mut request = Request::post(format!("http://test{path}"));
        let content_type = [("content-type", "application/grpc"), ("te", "trailers")];
        for (name, value) in content_type
            .iter()
            .filter(|(name, _)| !headers.iter().any(|(given, _)| given == name))
        {
            request = request.header(*name, *value);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        requests.send_request(request.body(()).unwrap(), false)
    }

    /// One call with that body.
    pub async fn call(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer, h2::Error> {
        let (answer, mut stream) = self.open(path, headers).await?;
        // A server that has refused already takes no body.
        let _ = stream.send_data(body, true);
        finish(answer).await
    }
}

/// Reads an answer to its end.
pub async fn finish(answer: ResponseFuture) -> Result<Answer, h2::Error> {
    let (head, mut stream) = answer.await?.into_parts();
    let mut body = BytesMut::new();
    while let Some(data) = stream.data().await {
        let data = data?;
        stream.flow_control().release_capacity(data.len())?;
        body.put(data);
    }
    let trailers = stream.trailers().await?.unwrap_or_default();
    let code = status(&trailers).or_else(|| status(&head.headers));
    Ok(Answer {
        http: head.status.as_u16(),
        code,
        body: body.freeze(),
    })
}

fn status(headers: &HeaderMap) -> Option<Code> {
    Some(Code::from_bytes(headers.get("grpc-status")?.as_bytes()))
}
