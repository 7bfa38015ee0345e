//! Pages of a node: metrics and probes.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::CALL_LIMIT;

/// Status and body of a page.
///
/// # Errors
/// Where nobody answers in time, or not with a page.
pub async fn http_get(address: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    let fetch = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await?;
        Ok::<_, io::Error>(String::from_utf8_lossy(&bytes).into_owned())
    };
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    let text = timeout(CALL_LIMIT, fetch).await.map_err(late)??;
    let no_answer = || io::Error::from(io::ErrorKind::InvalidData);
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(no_answer)?;
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Ok((code.ok_or_else(no_answer)?, body.to_owned()))
}
