//! x
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut flags = std::collections::BTreeMap::new();
    let args: Vec<String> = std::env::args().skip(2).collect();
    for pair in args.chunks(2) { flags.insert(pair[0].trim_start_matches("--").to_string(), pair[1].clone()); }
    let config = corndogs::config::Config::load(&flags)?;
    corndogs::server::run(config)?;
    Ok(())
}
