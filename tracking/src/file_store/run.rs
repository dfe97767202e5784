//! A run's folder: `meta.yaml`, `params/`, `metrics/`, `tags/`, `inputs/`, `outputs/`.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;

use super::{
    experiment::{DatasetMeta, tags},
    files::{folders, keyed_files, pairs, text, yaml},
    meta::NumberOrName,
};
use crate::{
    Error, Result,
    dataset::DatasetInput,
    experiment::{LifecycleStage, Tag},
    metric::Metric,
    run::{ModelInput, ModelOutput, Param, RunStatus},
};

/// A run as a file store has it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredRun {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// What kind of program made it.
    pub source_type: String,
    /// The program.
    pub source_name: String,
    /// The part of the program.
    pub entry_point_name: String,
    /// The program's version.
    pub source_version: String,
    /// Who ran it.
    pub user_id: Option<String>,
    /// How far it came.
    pub status: RunStatus,
    /// When it started (ms since 1970).
    pub start_time: Option<i64>,
    /// When it ended (ms since 1970).
    pub end_time: Option<i64>,
    /// Since when it is in the bin (ms since 1970).
    pub deleted_time: Option<i64>,
    /// In use or in the bin.
    pub stage: LifecycleStage,
    /// Where its artifacts live.
    pub artifact_uri: Option<String>,
    /// What it was given.
    pub params: Vec<Param>,
    /// What is attached to it.
    pub tags: Vec<Tag>,
    /// All values that it measured.
    pub metrics: Vec<Metric>,
    /// The datasets that it read.
    pub datasets: Vec<DatasetInput>,
    /// The models that it read.
    pub model_inputs: Vec<ModelInput>,
    /// The models that it made.
    pub model_outputs: Vec<ModelOutput>,
}

#[derive(Deserialize)]
struct Meta {
    run_id: Option<String>,
    run_uuid: Option<String>,
    run_name: Option<String>,
    name: Option<String>,
    source_type: Option<NumberOrName>,
    source_name: Option<String>,
    entry_point_name: Option<String>,
    source_version: Option<String>,
    user_id: Option<String>,
    status: Option<NumberOrName>,
    start_time: Option<i64>,
    end_time: Option<i64>,
    deleted_time: Option<i64>,
    lifecycle_stage: Option<String>,
    artifact_uri: Option<String>,
}

#[derive(Deserialize)]
struct InputMeta {
    source_type: String,
    source_id: String,
    tags: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct OutputMeta {
    step: Option<i64>,
}

impl StoredRun {
    /// Reads a run's folder.
    pub fn read(folder: &Path) -> Result<Self> {
        let file = folder.join("meta.yaml");
        let wrong = |words: String| Error::invalid(format!("{}: {words}", file.display()));
        let meta: Meta = yaml(&file)?;
        let id = meta.run_id.or(meta.run_uuid).filter(|it| !it.is_empty());
        let mut run = Self {
            id: id.ok_or_else(|| wrong("there is no run_id".to_owned()))?,
            name: meta.run_name.or(meta.name),
            source_type: meta.source_type.as_ref().map_or_else(|| "LOCAL".to_owned(), NumberOrName::source_type),
            source_name: meta.source_name.unwrap_or_default(),
            entry_point_name: meta.entry_point_name.unwrap_or_default(),
            source_version: meta.source_version.unwrap_or_default(),
            user_id: meta.user_id,
            status: meta.status.map_or(Ok(RunStatus::Running), |it| it.run_status()).map_err(wrong)?,
            start_time: meta.start_time,
            end_time: meta.end_time,
            deleted_time: meta.deleted_time,
            stage: LifecycleStage::from_name(meta.lifecycle_stage.as_deref()),
            artifact_uri: meta.artifact_uri,
            params: pairs(&folder.join("params"))?.into_iter().map(|(key, value)| Param { key, value }).collect(),
            tags: tags(&folder.join("tags"))?,
            metrics: metrics(&folder.join("metrics"))?,
            datasets: Vec::new(),
            model_inputs: Vec::new(),
            model_outputs: Vec::new(),
        };
        run.read_inputs(folder)?;
        for model in folders(&folder.join("outputs"))? {
            let meta: OutputMeta = yaml(&model.join("meta.yaml"))?;
            let model_id = model.file_name().and_then(|it| it.to_str()).unwrap_or_default().to_owned();
            run.model_outputs.push(ModelOutput { model_id, step: meta.step.unwrap_or_default() });
        }
        Ok(run)
    }

    fn read_inputs(&mut self, folder: &Path) -> Result<()> {
        for input in folders(&folder.join("inputs"))? {
            let file = input.join("meta.yaml");
            let meta: InputMeta = yaml(&file)?;
            match meta.source_type.as_str() {
                "MODEL" => self.model_inputs.push(ModelInput { model_id: meta.source_id }),
                "DATASET" => {
                    let dataset = folder.with_file_name("datasets").join(&meta.source_id).join("meta.yaml");
                    let dataset = yaml::<DatasetMeta>(&dataset)?.into();
                    let tags =
                        meta.tags.unwrap_or_default().into_iter().map(|(key, value)| Tag { key, value }).collect();
                    self.datasets.push(DatasetInput { tags, dataset });
                }
                other => {
                    return Err(Error::invalid(format!("{}: `{other}` is no kind of input", file.display())));
                }
            }
        }
        Ok(())
    }
}

/// A folder of metrics: one file for each key, one line for each value.
fn metrics(folder: &Path) -> Result<Vec<Metric>> {
    let mut found = Vec::new();
    for (key, file) in keyed_files(folder)? {
        for (place, line) in text(&file)?.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let (timestamp, value, step) = value(line).ok_or_else(|| {
                Error::invalid(format!(
                    "{}, line {}: `{}` is not a time, a value and a step",
                    file.display(),
                    place + 1,
                    line.chars().take(100).collect::<String>()
                ))
            })?;
            found.push(Metric::new(key.as_str(), value, timestamp, step));
        }
    }
    Ok(found)
}

/// Time, value and step of a line; the oldest lines have no step, the newest name a dataset behind it.
fn value(line: &str) -> Option<(i64, f64, i64)> {
    let mut words = line.split_whitespace();
    let timestamp = words.next()?.parse().ok()?;
    let value = words.next()?.parse().ok()?;
    let step = words.next().map_or(Some(0), |it| it.parse().ok())?;
    Some((timestamp, value, step))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn lines_of_metrics() {
        let check = |line: &str, expect: Option<(i64, f64, i64)>| assert_eq!(value(line), expect, "{line}");
        check("17 0.5", Some((17, 0.5, 0)));
        check("17 1e-05 3", Some((17, 1e-5, 3)));
        check("17 -inf -3", Some((17, f64::NEG_INFINITY, -3)));
        check("17 0.8 1 d 300830b9", Some((17, 0.8, 1)));
        check("17", None);
        check("x 0.5 1", None);
        check("17 0,5 1", None);
        assert!(value("17 nan 0").unwrap().1.is_nan());
    }

    #[test]
    fn a_folder_becomes_a_run() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("1/1234e567890123456789012345678901");
        let write = |name: &str, text: &str| {
            fs::create_dir_all(run.join(name).parent().unwrap()).unwrap();
            fs::write(run.join(name), text).unwrap();
        };
        // An id that would be a number, and times and states of several ages.
        write(
            "meta.yaml",
            "run_uuid: 1234e567890123456789012345678901\nname: 007\nstatus: FINISHED\nstart_time: 5\nend_time: null\n",
        );
        write("params/deep/er", "a\r\nb");
        write("metrics/loss", "1 0.5 0\n2 0.25 1\n\n");
        let found = StoredRun::read(&run).unwrap();
        assert_eq!(found.id, "1234e567890123456789012345678901");
        assert_eq!(found.name.as_deref(), Some("007"));
        assert_eq!((found.status, found.start_time, found.end_time), (RunStatus::Finished, Some(5), None));
        assert_eq!(found.params, [Param::new("deep/er", "a\r\nb")]);
        assert_eq!(found.metrics, [Metric::new("loss", 0.5, 1, 0), Metric::new("loss", 0.25, 2, 1)]);
        write("metrics/loss", "1 0.5 0\n2 o.25 1\n");
        let error = StoredRun::read(&run).unwrap_err().to_string();
        assert!(error.ends_with("metrics/loss, line 2: `2 o.25 1` is not a time, a value and a step"), "{error}");
        write("meta.yaml", "run_id: [1\n");
        let error = StoredRun::read(&run).unwrap_err().to_string();
        assert!(error.contains("meta.yaml: "), "{error}");
    }
}
