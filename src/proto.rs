//! Messages generated from `proto/`.
#![allow(missing_docs)]

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

/// Descriptors of the public services, for gRPC reflection.
pub const PUBLIC_DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/public.bin"));
