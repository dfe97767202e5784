//! Why a model file cannot be served, by what its owner can do about it.

use std::path::PathBuf;

/// Why a model file cannot be served. Each message names the file and says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing lies at the path.
    #[error("there is no model file {}; check the path, or fetch the demo model with scripts/fetch_demo_model.py", path.display())]
    NotFound {
        /// The path that was asked for.
        path: PathBuf,
    },
    /// The operating system does not let us read it.
    #[error("cannot read the model file {}: {source}", path.display())]
    Unreadable {
        /// The path that was asked for.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// It is no GGUF file, or a damaged one.
    #[error("{} is not a usable GGUF model: {reason}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong in it and what to do.
        reason: String,
    },
    /// A sound file of a kind that we cannot compute.
    #[error("the model {} cannot be served: {reason}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What it needs and what there is.
        reason: String,
    },
    /// An option does not fit the model or this machine.
    #[error("the model {} cannot be served with {option}: {reason}", path.display())]
    Option {
        /// The file.
        path: PathBuf,
        /// The option and its value.
        option: String,
        /// What is wrong with it and what to do.
        reason: String,
    },
}
