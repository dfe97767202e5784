//! Copies the artifacts of what is imported to where the database's experiments have theirs.

use std::path::{Path, PathBuf};

use anyhow::bail;
use tracking::{Tracking, experiment::ExperimentId};

use crate::cli::{
    artifacts::{file, local_files},
    records::{Records, local_folder},
};

/// Copies folders of artifacts below an experiment's location.
pub(super) struct Copier {
    tracking: Tracking,
    records: Records,
    location: String,
}

impl Copier {
    pub(super) fn new(tracking: Tracking) -> Self {
        Self { records: Records::of(tracking.clone()), tracking, location: String::new() }
    }

    /// From now on, copies go below this experiment's artifacts.
    pub(super) async fn enter(&mut self, id: ExperimentId) -> anyhow::Result<()> {
        self.location = self.tracking.store().experiment(id).await?.artifact_location;
        Ok(())
    }

    /// Copies what lies at `uri` to `<experiment>/<place>/artifacts`, and gives that address. A file store that was
    /// moved names places that are not there any more; its artifacts are then in the folder itself.
    pub(super) async fn copy(&self, uri: Option<&str>, folder: &Path, place: &str) -> anyhow::Result<String> {
        let target = format!("{}/{place}/artifacts", self.location.trim_end_matches('/'));
        let source = source(uri, folder)?;
        let Some(source) = source else { return Ok(target) };
        let into = self.records.artifacts(&target)?;
        for (path, name) in local_files(&source)? {
            into.upload(&path, &file(&name)?).await?;
        }
        Ok(target)
    }
}

fn source(uri: Option<&str>, folder: &Path) -> anyhow::Result<Option<PathBuf>> {
    let named = match uri {
        None => None,
        Some(uri) => match local_folder(uri) {
            Some(named) => Some(named),
            None => bail!(
                "its artifacts are at {uri}; only those on this machine are copied: import without --copy-artifacts"
            ),
        },
    };
    let beside = folder.join("artifacts");
    Ok(named.filter(|it| it.is_dir()).or_else(|| beside.is_dir().then_some(beside)))
}
