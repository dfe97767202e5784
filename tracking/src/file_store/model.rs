//! A logged model's folder: `meta.yaml`, `params/`, `tags/`, `metrics/`.

use std::path::Path;

use serde::Deserialize;

use super::{
    experiment::tags,
    files::{keyed_files, pairs, text, yaml},
    meta::NumberOrName,
};
use crate::{
    Error, Result,
    experiment::{LifecycleStage, Tag},
    metric::{Metric, RunMetric},
    model::ModelStatus,
    run::Param,
};

/// A logged model as a file store has it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredModel {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Where its files live.
    pub artifact_location: String,
    /// When it was created (ms since 1970).
    pub creation_timestamp_ms: i64,
    /// When it changed last (ms since 1970).
    pub last_updated_timestamp_ms: i64,
    /// How far its upload came.
    pub status: ModelStatus,
    /// Words about its status.
    pub status_message: Option<String>,
    /// In use or in the bin.
    pub stage: LifecycleStage,
    /// What kind of model it is.
    pub model_type: Option<String>,
    /// The run that made it.
    pub source_run_id: Option<String>,
    /// What it was trained with.
    pub params: Vec<Param>,
    /// What is attached to it.
    pub tags: Vec<Tag>,
    /// What runs measured on it.
    pub metrics: Vec<RunMetric>,
}

#[derive(Deserialize)]
struct Meta {
    model_id: String,
    name: String,
    artifact_location: String,
    creation_timestamp: i64,
    last_updated_timestamp: i64,
    status: Option<NumberOrName>,
    status_message: Option<String>,
    lifecycle_stage: Option<String>,
    model_type: Option<String>,
    source_run_id: Option<String>,
}

impl StoredModel {
    /// Reads a model's folder.
    pub fn read(folder: &Path) -> Result<Self> {
        let file = folder.join("meta.yaml");
        let meta: Meta = yaml(&file)?;
        let status = meta.status.map_or(Ok(ModelStatus::Pending), |it| it.model_status());
        Ok(Self {
            name: meta.name,
            artifact_location: meta.artifact_location,
            creation_timestamp_ms: meta.creation_timestamp,
            last_updated_timestamp_ms: meta.last_updated_timestamp,
            status: status.map_err(|words| Error::invalid(format!("{}: {words}", file.display())))?,
            status_message: meta.status_message,
            stage: LifecycleStage::from_name(meta.lifecycle_stage.as_deref()),
            model_type: meta.model_type,
            source_run_id: meta.source_run_id,
            params: pairs(&folder.join("params"))?.into_iter().map(|(key, value)| Param { key, value }).collect(),
            tags: tags(&folder.join("tags"))?,
            metrics: metrics(&folder.join("metrics"), &meta.model_id)?,
            id: meta.model_id,
        })
    }
}

/// A folder of metrics: one file for each key, one line for each value, with the run that measured it.
fn metrics(folder: &Path, model_id: &str) -> Result<Vec<RunMetric>> {
    let mut found = Vec::new();
    for (key, file) in keyed_files(folder)? {
        for (place, line) in text(&file)?.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let measured = value(line, &key, model_id).ok_or_else(|| {
                Error::invalid(format!(
                    "{}, line {}: `{}` is not a time, a value, a step, a run and perhaps a dataset",
                    file.display(),
                    place + 1,
                    line.chars().take(100).collect::<String>()
                ))
            })?;
            found.push(measured);
        }
    }
    Ok(found)
}

fn value(line: &str, key: &str, model_id: &str) -> Option<RunMetric> {
    let words: Vec<&str> = line.split(' ').collect();
    let [timestamp, value, step, run_id, dataset @ ..] = words.as_slice() else { return None };
    // A dataset's name may have spaces in it, its digest has none.
    let (digest, name) = match dataset {
        [] => (None, None),
        [name @ .., digest] if !name.is_empty() => (Some((*digest).to_owned()), Some(name.join(" "))),
        _ => return None,
    };
    let metric = Metric {
        model_id: Some(model_id.to_owned()),
        dataset_name: name,
        dataset_digest: digest,
        ..Metric::new(key, value.parse().ok()?, timestamp.parse().ok()?, step.parse().ok()?)
    };
    Some(RunMetric { metric, run_id: (*run_id).to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_metrics() {
        let read = |line: &str| {
            value(line, "acc", "m-1").map(|RunMetric { metric, run_id }| {
                (metric.timestamp, metric.value, metric.step, run_id, metric.dataset_name, metric.dataset_digest)
            })
        };
        let text = |it: &str| Some(it.to_owned());
        assert_eq!(read("17 0.9 1 run"), Some((17, 0.9, 1, "run".to_owned(), None, None)));
        assert_eq!(
            read("17 0.9 1 run my data 3008"),
            Some((17, 0.9, 1, "run".to_owned(), text("my data"), text("3008")))
        );
        assert_eq!(read("17 0.9 1"), None);
        assert_eq!(read("17 0.9 1 run name"), None);
    }
}
