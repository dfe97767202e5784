//! What can be wrong with a gateway's configuration, in the words that its author will read.

use std::path::PathBuf;

/// Why a gateway could not be configured. Each message names the file, the place in it, the value, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("cannot read the gateway configuration {}: {source}; give the path of a YAML file", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no YAML.
    #[error("{}:{line}: the gateway configuration is not valid YAML: {message}", file.display())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// The line at which reading stopped, 0 where there is none.
        line: u64,
        /// The parser's words.
        message: String,
    },
    /// The file is YAML, but says something that makes no gateway.
    #[error("{}:{line}: `{key}`: {message}", file.display())]
    Invalid {
        /// The file.
        file: PathBuf,
        /// The line of the value.
        line: u64,
        /// The path of the key, `endpoints[0].model.provider`.
        key: String,
        /// What is wrong with which value, and what to do.
        message: String,
    },
    /// Some part outside the file is missing.
    #[error("{0}")]
    Start(String),
}
