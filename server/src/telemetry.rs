//! Logs: lines on stderr, filtered by `TIDEGATE_LOG`; JSON objects where `TIDEGATE_LOG_FORMAT` is `json`.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, filter::LevelFilter};

/// Starts logging; the default shows warnings of libraries and what Tidegate itself tells.
pub(crate) fn start() {
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::WARN.into()).with_env_var("TIDEGATE_LOG");
    let filter = if std::env::var_os("TIDEGATE_LOG").is_some() {
        filter.from_env_lossy()
    } else {
        filter.parse_lossy("warn,calls=warn,tidegate=info,gateway=info,tracking=info,models=info,eval=warn,db=info")
    };
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::env::var("TIDEGATE_LOG_FORMAT").is_ok_and(|it| it == "json") {
        lines.json().flatten_event(true).init();
    } else {
        lines.with_ansi(std::io::stderr().is_terminal()).with_target(false).init();
    }
}
