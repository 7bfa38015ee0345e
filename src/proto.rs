//! Messages generated from `proto/`.
#![allow(
    missing_docs,
    clippy::too_many_lines,
    clippy::large_enum_variant,
    reason = "generated code is as it is"
)]

/// The public service and its messages.
pub mod v1alpha1 {
    tonic::include_proto!("corndogs.v1alpha1");
}

/// What operators ask of a node.
pub mod cluster {
    tonic::include_proto!("corndogs.cluster.v1alpha1");
}

/// What the log and the snapshot hold.
pub mod durable {
    tonic::include_proto!("corndogs.durable.v1");
}

/// What the nodes of a cluster say to each other.
pub mod peer {
    include!(concat!(env!("OUT_DIR"), "/peer/corndogs.peer.v1.rs"));
}

/// Descriptors of the public services, for gRPC reflection.
pub const PUBLIC_DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/public.bin"));

/// What becomes of missed ticks in JSON: the value's name, as in protobuf's own JSON.
pub fn missed_json<S: serde::Serializer>(missed: &i32, serializer: S) -> Result<S::Ok, S::Error> {
    match v1alpha1::MissedTicks::try_from(*missed) {
        Ok(missed) => serializer.serialize_str(missed.as_str_name()),
        Err(_) => serializer.serialize_i32(*missed),
    }
}

/// Payloads in JSON: base64, as in protobuf's own JSON.
pub mod base64_json {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    pub fn serialize<S: Serializer>(payload: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(payload))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        let text = String::deserialize(deserializer)?;
        let payload = STANDARD
            .decode(text)
            .map_err(|error| D::Error::custom(format!("base64: {error}")))?;
        Ok(payload.into())
    }
}
