//! Compiles the public protocol with protox, so that no `protoc` is needed.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto/corndogs/v1alpha1");
    let public = protox::compile(["corndogs/v1alpha1/corndogs.proto"], ["proto"])?;
    tonic_prost_build::configure()
        .bytes(".")
        .btree_map(".")
        .build_server(false)
        .compile_fds(public)?;
    Ok(())
}
