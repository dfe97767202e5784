//! MLflow's file store (`mlruns/`): experiments, runs, models and traces as folders, read to be imported.
//!
//! Nothing is written here. Each reader takes one folder, so that what is broken in one is told and the rest goes on.

mod experiment;
mod files;
mod meta;
mod model;
mod run;
mod trace;

use std::path::{Path, PathBuf};

pub use experiment::StoredExperiment;
pub use model::StoredModel;
pub use run::StoredRun;
pub use trace::StoredTrace;

use crate::{Error, Result};
use files::{folders, is_folder};

/// The folder of what is deleted.
const TRASH: &str = ".trash";

/// The folder of the model registry.
const REGISTRY: &str = "models";

/// Folders of an experiment that are no runs.
const NO_RUNS: [&str; 5] = ["tags", "datasets", "traces", "models", TRASH];

/// The folder of a file store.
#[derive(Clone, Debug)]
pub struct FileStore {
    root: PathBuf,
}

/// What lies in an experiment's folder.
#[derive(Clone, Debug)]
pub struct ExperimentFolder {
    /// The experiment's own folder.
    pub path: PathBuf,
    /// The folders of its runs.
    pub runs: Vec<PathBuf>,
    /// The folders of its logged models.
    pub models: Vec<PathBuf>,
    /// The folders of its traces.
    pub traces: Vec<PathBuf>,
}

impl ExperimentFolder {
    /// How many things there are, the experiment among them.
    pub fn len(&self) -> usize {
        1 + self.runs.len() + self.models.len() + self.traces.len()
    }

    /// Never: the experiment itself is there.
    pub fn is_empty(&self) -> bool {
        false
    }
}

impl FileStore {
    /// Opens `mlruns/` itself or the folder that it lies in.
    pub fn open(folder: &Path) -> Result<Self> {
        if !is_folder(folder) {
            return Err(Error::not_found(format!("there is no folder {}", folder.display())));
        }
        let below = folder.join("mlruns");
        let root = if is_folder(&below) { below } else { folder.to_owned() };
        let absolute =
            std::path::absolute(&root).map_err(|error| Error::invalid(format!("{}: {error}", root.display())))?;
        let store = Self { root: absolute };
        if store.experiment_paths()?.is_empty() {
            return Err(Error::invalid(format!(
                "{} is no file store of MLflow: no folder in it has a number for a name and a meta.yaml; name the folder \
                 `mlruns`",
                folder.display()
            )));
        }
        Ok(store)
    }

    /// The folder with the experiments.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The experiments, those in the bin last.
    pub fn experiments(&self) -> Result<Vec<ExperimentFolder>> {
        self.experiment_paths()?.into_iter().map(ExperimentFolder::list).collect()
    }

    /// How many registered models there are.
    pub fn registered_models(&self) -> Result<usize> {
        Ok(folders(&self.root.join(REGISTRY))?.iter().filter(|it| it.join("meta.yaml").is_file()).count())
    }

    fn experiment_paths(&self) -> Result<Vec<PathBuf>> {
        let mut found = folders(&self.root)?;
        found.extend(folders(&self.root.join(TRASH))?);
        let has_number =
            |it: &Path| it.file_name().and_then(|it| it.to_str()).is_some_and(|it| it.parse::<i64>().is_ok());
        Ok(found.into_iter().filter(|it| has_number(it) && it.join("meta.yaml").is_file()).collect())
    }
}

impl ExperimentFolder {
    fn list(path: PathBuf) -> Result<Self> {
        let is_run = |it: &PathBuf| it.file_name().and_then(|it| it.to_str()).is_none_or(|it| !NO_RUNS.contains(&it));
        let with = |file: &'static str| move |it: &PathBuf| it.join(file).is_file();
        let runs = folders(&path)?.into_iter().filter(is_run).filter(with("meta.yaml")).collect();
        let models = folders(&path.join("models"))?.into_iter().filter(with("meta.yaml")).collect();
        let traces = folders(&path.join("traces"))?.into_iter().filter(with("trace_info.yaml")).collect();
        Ok(Self { path, runs, models, traces })
    }
}
