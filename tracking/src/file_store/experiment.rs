//! An experiment's folder: `meta.yaml`, `tags/`, `datasets/`.

use std::path::Path;

use serde::Deserialize;

use super::files::{folders, pairs, yaml};
use crate::{
    Result,
    dataset::Dataset,
    experiment::{ExperimentId, LifecycleStage, Tag},
};

/// An experiment as a file store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredExperiment {
    /// Its id there.
    pub id: ExperimentId,
    /// Its name.
    pub name: String,
    /// Where its artifacts live; where the database's other experiments have theirs when it is absent.
    pub artifact_location: Option<String>,
    /// In use or in the bin.
    pub stage: LifecycleStage,
    /// When it was created (ms since 1970), where that is known.
    pub creation_time: Option<i64>,
    /// When it changed last (ms since 1970), where that is known.
    pub last_update_time: Option<i64>,
    /// What is attached to it.
    pub tags: Vec<Tag>,
    /// The datasets that its runs read.
    pub datasets: Vec<Dataset>,
}

#[derive(Deserialize)]
struct Meta {
    name: String,
    artifact_location: Option<String>,
    lifecycle_stage: Option<String>,
    creation_time: Option<i64>,
    last_update_time: Option<i64>,
}

#[derive(Deserialize)]
pub(super) struct DatasetMeta {
    name: String,
    digest: String,
    source_type: String,
    source: String,
    schema: Option<String>,
    profile: Option<String>,
}

impl From<DatasetMeta> for Dataset {
    fn from(it: DatasetMeta) -> Self {
        Self {
            name: it.name,
            digest: it.digest,
            source_type: it.source_type,
            source: it.source,
            schema: it.schema,
            profile: it.profile,
        }
    }
}

impl StoredExperiment {
    /// Reads an experiment's folder; its name is the id, as for MLflow.
    pub fn read(folder: &Path) -> Result<Self> {
        let meta: Meta = yaml(&folder.join("meta.yaml"))?;
        let id = folder.file_name().and_then(|it| it.to_str()).unwrap_or_default();
        let mut datasets = Vec::new();
        for dataset in folders(&folder.join("datasets"))? {
            datasets.push(yaml::<DatasetMeta>(&dataset.join("meta.yaml"))?.into());
        }
        Ok(Self {
            id: ExperimentId::parse(id)?,
            name: meta.name,
            artifact_location: meta.artifact_location,
            stage: LifecycleStage::from_name(meta.lifecycle_stage.as_deref()),
            creation_time: meta.creation_time,
            last_update_time: meta.last_update_time,
            tags: tags(&folder.join("tags"))?,
            datasets,
        })
    }
}

/// A folder of tags.
pub(super) fn tags(folder: &Path) -> Result<Vec<Tag>> {
    Ok(pairs(folder)?.into_iter().map(|(key, value)| Tag { key, value }).collect())
}
