//! Logs: human-readable lines on stderr, filtered by `TIDEGATE_LOG`.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, filter::LevelFilter};

/// Starts logging; the default shows warnings of libraries and what Tidegate itself tells.
pub(crate) fn start() {
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::WARN.into()).with_env_var("TIDEGATE_LOG");
    let filter = if std::env::var_os("TIDEGATE_LOG").is_some() {
        filter.from_env_lossy()
    } else {
        filter.parse_lossy("warn,tidegate=info,gateway=info,tracking=info,models=info,eval=warn,db=info")
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}
