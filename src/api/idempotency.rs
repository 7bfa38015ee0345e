//! The key that a client retries a call by: gRPC metadata `idempotency-key`.

use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use sha2::{Digest, Sha256};
use tonic::metadata::MetadataMap;

use super::validate::{Checked, invalid};
use crate::proto::durable::RequestKey;

/// The name of the metadata.
const METADATA: &str = "idempotency-key";
/// The longest key, in bytes.
const MAX_KEY_BYTES: usize = 128;
/// How much of a digest tells requests apart.
const DIGEST_BYTES: usize = 16;

/// Reads the key of a call. `None` where the client gave none.
///
/// `method` is the call's name as in the service's definition. What the server adds to a request,
/// as uuids and times, differs from try to try and is no part of the digest.
///
/// # Errors
/// If the key breaks a limit, or there are several.
pub fn key(
    metadata: &MetadataMap,
    method: &str,
    request: &impl Message,
    window: Duration,
) -> Checked<Option<RequestKey>> {
    let mut given = metadata.get_all(METADATA).iter();
    let Some(key) = given.next() else {
        return Ok(None);
    };
    if given.next().is_some() {
        return invalid(METADATA, "may be given once");
    }
    let key = key.as_bytes();
    if key.is_empty() || key.len() > MAX_KEY_BYTES {
        let limit = format!("must be 1 to {MAX_KEY_BYTES} characters, got {}", key.len());
        return invalid(METADATA, limit);
    }
    if !key.iter().all(|byte| matches!(byte, 0x20..=0x7e)) {
        return invalid(METADATA, "must hold printable ASCII characters alone");
    }
    Ok(Some(RequestKey {
        key: key.iter().map(|byte| char::from(*byte)).collect(),
        request_digest: digest(method, request),
        window_ns: i64::try_from(window.as_nanos()).unwrap_or(i64::MAX),
        skips_empty: false,
    }))
}

/// Tells one call and request from another.
fn digest(method: &str, request: &impl Message) -> Bytes {
    let digest = Sha256::new()
        .chain_update(method)
        .chain_update([0])
        .chain_update(request.encode_to_vec())
        .finalize();
    Bytes::copy_from_slice(&digest[..DIGEST_BYTES])
}

#[cfg(test)]
mod tests {
    use tonic::metadata::MetadataValue;

    use super::*;
    use crate::proto::v1alpha1::{CancelTaskRequest, CompleteTaskRequest, SubmitTaskRequest};

    fn of(keys: &[&[u8]]) -> Checked<Option<RequestKey>> {
        let mut metadata = MetadataMap::new();
        for bytes in keys {
            let value = MetadataValue::try_from(*bytes).unwrap();
            metadata.append(METADATA, value);
        }
        let request = SubmitTaskRequest::default();
        key(&metadata, "SubmitTask", &request, Duration::from_secs(2))
    }

    #[test]
    fn keys_are_short_printable_and_given_once() {
        assert_eq!(of(&[]), Ok(None));
        for good in ["k", " ", "~", "a,b \"c\"", &"k".repeat(128)] {
            let key = of(&[good.as_bytes()]).unwrap().unwrap();
            assert_eq!((key.key.as_str(), key.window_ns), (good, 2_000_000_000));
            assert!(!key.skips_empty);
        }
        let long = "k".repeat(129);
        let bad: [&[&[u8]]; 5] = [
            &[b""],
            &[long.as_bytes()],
            &["\u{fc}".as_bytes()],
            &[b"a\tb"],
            &[b"k", b"k"],
        ];
        for keys in bad {
            let error = of(keys).unwrap_err().to_string();
            assert!(error.starts_with("idempotency-key: "), "{error}");
            assert!(error.len() < 80, "{error}");
        }
    }

    #[test]
    fn the_digest_is_over_the_call_and_all_of_the_request() {
        // The first 16 bytes of `printf 'SubmitTask\0' | sha256sum`.
        let hex =
            |bytes: Bytes| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
        let empty = SubmitTaskRequest::default();
        assert_eq!(
            hex(digest("SubmitTask", &empty)),
            "b80f9d42c769d0abe00bf0322cf89e76"
        );
        let other = SubmitTaskRequest {
            priority: 1,
            ..empty.clone()
        };
        assert_ne!(digest("SubmitTask", &empty), digest("SubmitTask", &other));
        // Encoded alike, and yet another call.
        let uuid = || "u".to_owned();
        let cancel = CancelTaskRequest {
            uuid: uuid(),
            ..Default::default()
        };
        let complete = CompleteTaskRequest {
            uuid: uuid(),
            ..Default::default()
        };
        assert_eq!(cancel.encode_to_vec(), complete.encode_to_vec());
        assert_ne!(
            digest("CancelTask", &cancel),
            digest("CompleteTask", &complete)
        );
    }
}
