//! Compiles the public protocol with protox: the servers under test are known by it alone.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=../proto/corndogs/v1alpha1");
    println!("cargo:rerun-if-changed=../proto/corndogs/cluster/v1alpha1");
    let public = protox::compile(
        [
            "corndogs/v1alpha1/corndogs.proto",
            "corndogs/cluster/v1alpha1/cluster.proto",
        ],
        ["../proto"],
    )?;
    tonic_prost_build::configure()
        .build_server(false)
        .compile_fds(public)?;
    Ok(())
}
