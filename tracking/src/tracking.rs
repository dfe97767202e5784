//! The tracking server's state: the store and where artifacts live.

use std::sync::Arc;

use crate::{ArtifactOptions, Result, Store};

/// Everything that tracking needs to serve requests. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tracking {
    store: Store,
    artifact_options: Arc<ArtifactOptions>,
}

impl Tracking {
    /// Takes an open database and creates the experiment `Default` where there is no experiment yet.
    pub async fn open(db: db::Db, artifact_options: ArtifactOptions) -> Result<Self> {
        let store = Store::open(db, &artifact_options.default_artifact_root).await?;
        Ok(Self { store, artifact_options: Arc::new(artifact_options) })
    }

    /// The domain's methods: experiments, runs, metrics, traces.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Where artifacts live, as the server was told.
    pub fn artifact_options(&self) -> &ArtifactOptions {
        &self.artifact_options
    }
}
