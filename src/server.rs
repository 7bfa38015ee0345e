//! The server.

use crate::config::Config;

/// Why the server stopped.
#[derive(Debug, thiserror::Error)]
#[error("this build holds no server yet")]
pub struct ServerError;

/// Serves until it is told to stop.
pub fn run(config: Config) -> Result<(), ServerError> {
    drop(config);
    Err(ServerError)
}
