//! The workload `members`: each node is asked about the cluster, again and again: who leads, in which term, and how far each node
//! is and what it came to.

use std::time::Duration;

use super::Desk;
use crate::history::Request;
use crate::session::Session;

const EVERY: Duration = Duration::from_millis(50);

/// Works until the desk closes.
pub async fn work(mut session: Session, desk: Desk) {
    while desk.is_open() {
        session.call(Request::Status).await;
        session.turn();
        tokio::time::sleep(EVERY).await;
    }
}
