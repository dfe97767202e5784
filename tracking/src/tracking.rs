//! The tracking server's state: the store and where artifacts live.

use std::sync::Arc;

use crate::{ArtifactOptions, Artifacts, Result, Store};

/// Everything that tracking needs to serve requests. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tracking {
    store: Store,
    artifacts: Artifacts,
    artifact_options: Arc<ArtifactOptions>,
}

impl Tracking {
    /// Takes an open database and creates the experiment `Default` where there is no experiment yet.
    pub async fn open(db: db::Db, artifact_options: ArtifactOptions) -> Result<Self> {
        let artifacts = Artifacts::open(&artifact_options)?;
        let store = Store::open(db, &artifact_options.default_artifact_root).await?;
        Ok(Self { store, artifacts, artifact_options: Arc::new(artifact_options) })
    }

    /// The domain's methods: experiments, runs, metrics, traces.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Reads and writes artifacts by their URIs.
    pub fn artifacts(&self) -> &Artifacts {
        &self.artifacts
    }

    /// Where artifacts live, as the server was told.
    pub fn artifact_options(&self) -> &ArtifactOptions {
        &self.artifact_options
    }
}
