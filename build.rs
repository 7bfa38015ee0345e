//! Compiles the protocol files with protox, so that no `protoc` is needed.

use std::error::Error;
use std::path::PathBuf;

/// For the requests that batches are read from.
const READABLE: &str = "#[derive(::serde::Deserialize)] #[serde(default, deny_unknown_fields)]";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let public = protox::compile(
        [
            "corndogs/v1alpha1/corndogs.proto",
            "corndogs/v1alpha1/schedules.proto",
            "corndogs/v1alpha1/queues.proto",
            "corndogs/cluster/v1alpha1/cluster.proto",
        ],
        ["proto"],
    )?;
    std::fs::write(out.join("public.bin"), prost_bytes(&public))?;
    tonic_prost_build::configure()
        .bytes(".")
        .btree_map(".")
        // JSON as the command line prints and reads it; the wire encoding has no part in this.
        .message_attribute(".corndogs.v1alpha1", "#[derive(::serde::Serialize)]")
        .message_attribute(".corndogs.v1alpha1.SubmitTaskRequest", READABLE)
        .message_attribute(".corndogs.v1alpha1.CompleteTaskRequest", READABLE)
        .message_attribute(".corndogs.v1alpha1.RetryBackoff", READABLE)
        .field_attribute(
            "missed",
            "#[serde(serialize_with = \"crate::proto::missed_json\")]",
        )
        .field_attribute("payload", "#[serde(with = \"crate::proto::base64_json\")]")
        .compile_fds(public)?;
    let durable = protox::compile(
        [
            "corndogs/durable/v1/log.proto",
            "corndogs/durable/v1/queues.proto",
            "corndogs/durable/v1/snapshot.proto",
        ],
        ["proto"],
    )?;
    tonic_prost_build::configure()
        .bytes(".")
        // Digests and logs depend on the encoding: maps have an order.
        .btree_map(".")
        .build_client(false)
        .build_server(false)
        .compile_fds(durable)?;
    // In a folder of its own: what it imports would be written again, and empty.
    let peer_out = out.join("peer");
    std::fs::create_dir_all(&peer_out)?;
    tonic_prost_build::configure()
        .bytes(".")
        .extern_path(".corndogs.durable.v1", "crate::proto::durable")
        .extern_path(".corndogs.cluster.v1alpha1", "crate::proto::cluster")
        .out_dir(peer_out)
        .compile_fds(protox::compile(["corndogs/peer/v1/peer.proto"], ["proto"])?)?;
    Ok(())
}

/// The descriptors that gRPC reflection serves.
fn prost_bytes(descriptors: &impl prost::Message) -> Vec<u8> {
    descriptors.encode_to_vec()
}
