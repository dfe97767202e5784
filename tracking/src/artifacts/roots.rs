//! Where a run's artifacts are, by the run's id.

use crate::{Error, Result, Store};

impl Store {
    /// The URI below which the artifacts of a run lie.
    pub async fn run_artifact_uri(&self, run_id: &str) -> Result<String> {
        let found: Option<(Option<String>,)> = self
            .db
            .fetch_optional("SELECT artifact_uri FROM runs WHERE run_uuid = ?", vec![run_id.into()])
            .await?;
        let (uri,) = found.ok_or_else(|| Error::not_found(format!("Run with id={run_id} not found")))?;
        uri.ok_or_else(|| Error::InvalidState(format!("Run with id={run_id} has no artifact location")))
    }
}
