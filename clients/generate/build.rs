// The whole contract, from its descriptor set: needs no protoc.
use prost::Message;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=concord.binpb");
    let contract = prost_types::FileDescriptorSet::decode(&*std::fs::read("concord.binpb")?)?;
    tonic_prost_build::configure().build_server(false).include_file("concord.rs").compile_fds(contract)?;
    Ok(())
}
