//! Ports for the nodes.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use crate::random::Random;

/// Ports that no outgoing connection gets by chance while a node is down.
const PORTS: std::ops::Range<u16> = 10_000..32_000;

/// Free ports, each given once.
pub struct Ports {
    random: Random,
    given: Vec<SocketAddr>,
}

impl Ports {
    /// Two runs of one seed at the same time must not meet: these are left to chance.
    pub fn new() -> Self {
        Self {
            random: Random::new(uuid::Uuid::new_v4().as_u64_pair().0, 0),
            given: Vec::new(),
        }
    }

    /// One that nobody listens on now.
    pub fn free(&mut self) -> SocketAddr {
        loop {
            let offset = self.random.below(u64::from(PORTS.end - PORTS.start));
            let port = PORTS.start + u16::try_from(offset).unwrap_or_default();
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            if !self.given.contains(&address) && TcpListener::bind(address).is_ok() {
                self.given.push(address);
                return address;
            }
        }
    }
}
