//! What values look like as text. The reason in an error says what would be right;
//! who reports it names the option and the value.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tracing::level_filters::LevelFilter;

/// Longer ones would overflow a count of nanoseconds somewhere.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// A value as it is shown in a message: quoted, and cut where it is long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(String);

impl Text {
    /// Of a value as it was given.
    pub fn new(value: &str) -> Self {
        const SHOWN: usize = 200;
        let mut cut: String = value.chars().take(SHOWN).collect();
        if cut.len() < value.len() {
            cut.push('…');
        }
        Self(cut)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// `500ms`, `1s`, `10m`, `2h`, `7d`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let reason = || "must be a duration such as 500ms, 1s, 10m, 2h or 7d".to_owned();
    let (count, unit) = split_number(text).ok_or_else(reason)?;
    let unit_ms: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 3600 * 1000,
        "d" => 24 * 3600 * 1000,
        _ => return Err(reason()),
    };
    count
        .checked_mul(unit_ms)
        .map(Duration::from_millis)
        .filter(|duration| *duration <= LONGEST)
        .ok_or_else(|| "must be at most 36500d".to_owned())
}

/// A duration above 0, or `None` for the word that stands for never.
pub fn or_word(text: &str, word: &str) -> Result<Option<Duration>, String> {
    if text == word {
        return Ok(None);
    }
    match duration(text) {
        Ok(Duration::ZERO) => Err(format!("must be more than 0, or {word}")),
        Ok(some) => Ok(Some(some)),
        Err(reason) => Err(format!("{reason}, or {word}")),
    }
}

/// Seconds as the original counted them, negative ones too, or a duration of whole seconds.
pub fn seconds(text: &str) -> Result<i64, String> {
    if let Ok(count) = text.parse() {
        return Ok(count);
    }
    let reason = "must be a number of seconds or a duration such as 10m";
    let duration = duration(text).map_err(|_| reason.to_owned())?;
    if duration.subsec_nanos() != 0 {
        return Err("must be whole seconds".to_owned());
    }
    i64::try_from(duration.as_secs()).map_err(|_| reason.to_owned())
}

/// Bytes: `1048576`, `64KiB`, `1MiB`, `1GiB`; at least 1.
pub fn size(text: &str) -> Result<usize, String> {
    let reason = || "must be a number of bytes such as 1048576, 64KiB or 1MiB".to_owned();
    let (count, unit) = split_number(text).ok_or_else(reason)?;
    let unit: u64 = match unit {
        "" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(reason()),
    };
    let bytes = count
        .checked_mul(unit)
        .and_then(|bytes| usize::try_from(bytes).ok());
    match bytes {
        Some(0) => Err("must be more than 0".to_owned()),
        Some(bytes) => Ok(bytes),
        None => Err("must be at most 1GiB".to_owned()),
    }
}

/// A whole number above 0.
pub fn positive(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("must be a whole number above 0".to_owned()),
    }
}

/// An address to listen on: an IP address, or `localhost`, with a port.
pub fn socket(text: &str) -> Result<SocketAddr, String> {
    let reason = || "must be IP:PORT, such as 127.0.0.1:5080 or [::]:5080".to_owned();
    match text.strip_prefix("localhost:") {
        Some(port) => Ok(SocketAddr::from((
            [127, 0, 0, 1],
            port.parse().map_err(|_| reason())?,
        ))),
        None => text.parse().map_err(|_| reason()),
    }
}

/// `HOST:PORT`, where the host is a name, an IPv4 address, or an IPv6 address in brackets.
pub fn host_port(text: &str) -> Result<(&str, u16), String> {
    let reason = || "must be HOST:PORT, an IPv6 address in brackets".to_owned();
    let (host, port) = text.rsplit_once(':').ok_or_else(reason)?;
    let port = match port.parse() {
        Ok(port) if port > 0 && !port_sign(text) => port,
        _ => return Err(format!("{}, the port between 1 and 65535", reason())),
    };
    if !is_host(host) {
        return Err(reason());
    }
    Ok((host, port))
}

/// Whether a URL can hold it as a host: a name, an IPv4 address, or an IPv6 address in brackets.
pub fn is_host(host: &str) -> bool {
    if let Some(inner) = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        return inner.parse::<Ipv6Addr>().is_ok();
    }
    let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    !host.is_empty() && host.len() <= 253 && host.chars().all(name)
}

/// `str::parse` takes `+5080`.
fn port_sign(text: &str) -> bool {
    text.contains(":+")
}

/// Members as they are written: what [`members`] reads.
pub fn list_members(members: &BTreeMap<u64, String>) -> String {
    let member = |(id, address): (&u64, &String)| format!("{id}={address}");
    members.iter().map(member).collect::<Vec<_>>().join(",")
}

/// `1=HOST:PORT,2=HOST:PORT`.
pub fn members(text: &str) -> Result<BTreeMap<u64, String>, String> {
    let mut members = BTreeMap::new();
    for member in text.split(',').map(str::trim) {
        let (id, address) = member
            .split_once('=')
            .ok_or_else(|| format!("{} must be ID=HOST:PORT", Text::new(member)))?;
        let id = positive(id).map_err(|reason| format!("the id {} {reason}", Text::new(id)))?;
        host_port(address)
            .map_err(|reason| format!("the address {} {reason}", Text::new(address)))?;
        if unspecified(address) {
            return Err(format!(
                "peers cannot reach a node at {}",
                Text::new(address)
            ));
        }
        if members.values().any(|other| other == address) {
            return Err(format!("two nodes have the address {}", Text::new(address)));
        }
        if members.insert(id, address.to_owned()).is_some() {
            return Err(format!("two nodes have the id {id}"));
        }
    }
    Ok(members)
}

fn unspecified(address: &str) -> bool {
    address.parse().is_ok_and(|socket: SocketAddr| {
        let ip = socket.ip();
        ip == IpAddr::V4(Ipv4Addr::UNSPECIFIED) || ip == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
    })
}

/// The name of a queue or state.
pub fn name(text: &str, longest: usize) -> Result<String, String> {
    if text.is_empty() || text.len() > longest {
        return Err(format!("must be 1 to {longest} bytes"));
    }
    if text.chars().any(char::is_control) {
        return Err("must not hold control characters".to_owned());
    }
    Ok(text.to_owned())
}

/// The names that the original's logger took, and `off`.
pub fn level(text: &str) -> Result<LevelFilter, String> {
    match text.to_ascii_lowercase().as_str() {
        "off" => Ok(LevelFilter::OFF),
        "panic" | "fatal" | "error" => Ok(LevelFilter::ERROR),
        "warn" | "warning" => Ok(LevelFilter::WARN),
        "info" => Ok(LevelFilter::INFO),
        "debug" => Ok(LevelFilter::DEBUG),
        "trace" => Ok(LevelFilter::TRACE),
        _ => Err("must be error, warning, info, debug, trace or off".to_owned()),
    }
}

/// A whole number, without a sign, and what follows it.
fn split_number(text: &str) -> Option<(u64, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    Some((digits.parse().ok()?, unit))
}
