//! What is logged, and how: to stderr, for people or as JSON.

use std::io::{self, IsTerminal};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Config, LogFormat};

/// Starts logging as configured.
pub(super) fn start(config: &Config) {
    // What the libraries say at `info` is about their insides; at `debug` and below it is wanted.
    let libraries = match config.log_level {
        LevelFilter::INFO => LevelFilter::WARN,
        level => level,
    };
    // Openraft warns of every message that a peer doesn't take; `corndogs` says that once.
    let noisy = match config.log_level {
        LevelFilter::INFO | LevelFilter::WARN => LevelFilter::ERROR,
        level => level,
    };
    let filter = Targets::new()
        .with_default(libraries)
        .with_target(crate::raft::LIBRARY, noisy)
        .with_target("corndogs", config.log_level);
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let layer = match config.log_format {
        LogFormat::Human => layer.with_ansi(io::stderr().is_terminal()).boxed(),
        LogFormat::Json => layer.json().boxed(),
    };
    let subscriber = tracing_subscriber::registry().with(layer.with_filter(filter));
    // Whoever embeds the server may have its own subscriber: then that one stays.
    let _ = subscriber.try_init();
}
