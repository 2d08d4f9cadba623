//! Generates the records from `proto/`, without any compiler from outside.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Asked for at run time: a build directory may have been copied from another checkout.
    let root = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    let file = root.join("sidetone/delivery/v1/call_record.proto");
    println!("cargo:rerun-if-changed={}", file.display());
    let descriptors = protox::compile([&file], [&root])?;
    prost_build::Config::new()
        .bytes([".sidetone.delivery.v1.Audio.data"])
        .compile_fds(descriptors)?;
    Ok(())
}
