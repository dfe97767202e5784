//! The domain's methods over the database: one `impl Store` per resource, in the files below.

use std::sync::Arc;

use db::Db;

use crate::Result;

/// Experiments, runs, metrics, params, tags, inputs and traces in MLflow's tables. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) db: Db,
    /// Artifacts of an experiment that names no location of its own live below this URI.
    pub(crate) default_artifact_root: Arc<str>,
}

impl Store {
    /// Takes an open database and creates the experiment `Default` where there is no experiment yet.
    pub(crate) async fn open(db: Db, default_artifact_root: &str) -> Result<Self> {
        let store = Self { db, default_artifact_root: default_artifact_root.into() };
        Ok(store)
    }
}
