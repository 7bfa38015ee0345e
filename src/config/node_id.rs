//! Which of the members this node is: said by its number, or found by the machine's name.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::value::{Text, host_port, list_members, positive};

/// The word for an id that is found by the machine's name.
const AUTO: &str = "auto";

/// What `--node-id` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeId {
    /// The number itself.
    Number(u64),
    /// The member whose host is this machine, by the first label of both names. One configuration then fits all
    /// nodes, and the id stays with the name, whatever address that has today.
    Auto,
}

impl NodeId {
    /// A number above 0, or `auto`.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == AUTO {
            return Ok(Self::Auto);
        }
        positive(text)
            .map(Self::Number)
            .map_err(|reason| format!("{reason}, or {AUTO}"))
    }

    /// The number, given the members and this machine's name.
    pub fn among(self, members: &BTreeMap<u64, String>, host_name: &str) -> Result<u64, String> {
        if let Self::Number(id) = self {
            return Ok(id);
        }
        let same: Vec<u64> = members
            .iter()
            .filter(|(_, address)| names(address, host_name))
            .map(|(id, _)| *id)
            .collect();
        match same[..] {
            [id] => Ok(id),
            [] => Err(format!(
                "no member has this machine's name {}: {}",
                Text::new(host_name),
                list_members(members)
            )),
            _ => Err(format!(
                "more than one member has this machine's name {}: {}; give the number",
                Text::new(host_name),
                list_members(members)
            )),
        }
    }
}

/// Whether a member's `HOST:PORT` names the machine; an IP address names none.
fn names(address: &str, host_name: &str) -> bool {
    let Ok((host, _)) = host_port(address) else {
        return false;
    };
    if host.starts_with('[') || host.parse::<IpAddr>().is_ok() {
        return false;
    }
    !host_name.is_empty() && label(host).eq_ignore_ascii_case(label(host_name))
}

fn label(name: &str) -> &str {
    name.split_once('.').map_or(name, |(first, _)| first)
}
