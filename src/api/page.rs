//! Page tokens: how far a list or an act on many tasks has come, and for which filter.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prost::Message;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::validate::{Checked, invalid};
use crate::proto::v1alpha1::TaskFilter;
use crate::queue::Cursor;

const VERSION: u8 = 1;
/// How much of a digest tells filters apart.
const DIGEST_BYTES: usize = 8;
const TOKEN_BYTES: usize = 1 + 16 + 8 + DIGEST_BYTES;

/// The token that goes on behind a cursor.
pub fn token(method: &str, filter: &TaskFilter, cursor: Cursor) -> String {
    let mut bytes = Vec::with_capacity(TOKEN_BYTES);
    bytes.push(VERSION);
    bytes.extend_from_slice(cursor.uuid.as_bytes());
    bytes.extend_from_slice(&cursor.before_seq.to_be_bytes());
    bytes.extend_from_slice(&digest(method, filter));
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The cursor of a token; none of an empty one.
///
/// # Errors
/// If it is no token of that call with that filter.
pub fn cursor(
    field: &str,
    method: &str,
    filter: &TaskFilter,
    token: &str,
) -> Checked<Option<Cursor>> {
    if token.is_empty() {
        return Ok(None);
    }
    let unknown = || invalid(field, "must be a next_page_token of this call");
    let Some(bytes) = URL_SAFE_NO_PAD.decode(token).ok() else {
        return unknown();
    };
    let Ok(bytes) = <[u8; TOKEN_BYTES]>::try_from(bytes) else {
        return unknown();
    };
    let (cursor, given) = bytes.split_at(TOKEN_BYTES - DIGEST_BYTES);
    let [VERSION, cursor @ ..] = cursor else {
        return unknown();
    };
    let (uuid, before_seq) = cursor.split_at(16);
    let (Ok(uuid), Ok(before_seq)) = (Uuid::from_slice(uuid), before_seq.try_into()) else {
        return unknown();
    };
    if given != digest(method, filter) {
        return invalid(field, "belongs to another filter");
    }
    let before_seq = u64::from_be_bytes(before_seq);
    Ok(Some(Cursor { uuid, before_seq }))
}

fn digest(method: &str, filter: &TaskFilter) -> [u8; DIGEST_BYTES] {
    let digest: [u8; 32] = Sha256::new()
        .chain_update(method)
        .chain_update([0])
        .chain_update(filter.encode_to_vec())
        .finalize()
        .into();
    std::array::from_fn(|at| digest.get(at).copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_on_where_its_call_and_filter_stopped() {
        let filter = TaskFilter {
            queue: "q".into(),
            ..TaskFilter::default()
        };
        let stopped = Cursor {
            uuid: Uuid::from_u128(7),
            before_seq: 3,
        };
        let text = token("ListTasks", &filter, stopped);
        let read =
            |method, filter: &TaskFilter, text: &str| cursor("page_token", method, filter, text);
        assert_eq!(read("ListTasks", &filter, &text), Ok(Some(stopped)));
        assert_eq!(read("ListTasks", &filter, ""), Ok(None));
        assert!(read("CancelTasks", &filter, &text).is_err());
        assert!(read("ListTasks", &TaskFilter::default(), &text).is_err());
        let other = token(
            "ListTasks",
            &filter,
            Cursor {
                before_seq: 4,
                ..stopped
            },
        );
        assert_ne!(other, text);
        let newer = format!("B{}", &text[1..]);
        for bad in ["x", "*", &text[1..], &newer, &"x".repeat(10_000)] {
            let error = read("ListTasks", &filter, bad).unwrap_err().to_string();
            assert!(
                error.starts_with("page_token: ") && error.len() < 80,
                "{error}"
            );
        }
    }
}
