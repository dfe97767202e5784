//! Where artifacts live.

use std::path::PathBuf;

/// Where artifacts live and whether this server hands them out.
#[derive(Clone, Debug)]
pub struct ArtifactOptions {
    /// The artifact location of experiments that name none is below this URI, e.g. `mlflow-artifacts:/`.
    pub default_artifact_root: String,
    /// The folder behind `mlflow-artifacts:/`.
    pub artifacts_destination: Option<PathBuf>,
    /// Whether this server is a proxy for artifacts.
    pub serve_artifacts: bool,
}
