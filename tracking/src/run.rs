//! Runs: one execution of someone's code, with what it measured and what it was given.

mod name;

use serde::Serialize;

use crate::{
    dataset::DatasetInput,
    experiment::{ExperimentId, LifecycleStage, Tag, ViewType},
    metric::Metric,
};

pub(crate) use name::random_name;

/// The tag that carries a run's name.
pub(crate) const RUN_NAME_TAG: &str = "mlflow.runName";

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RunStatus {
    /// It runs.
    Running,
    /// It waits for its start.
    Scheduled,
    /// It ended well.
    Finished,
    /// It ended with an error.
    Failed,
    /// Someone stopped it.
    Killed,
}

impl RunStatus {
    /// The names and numbers that requests may use.
    pub(crate) const CHOICES: &[(&str, Self)] = &[
        ("RUNNING", Self::Running),
        ("SCHEDULED", Self::Scheduled),
        ("FINISHED", Self::Finished),
        ("FAILED", Self::Failed),
        ("KILLED", Self::Killed),
        ("1", Self::Running),
        ("2", Self::Scheduled),
        ("3", Self::Finished),
        ("4", Self::Failed),
        ("5", Self::Killed),
    ];

    /// The status's name in the database and in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Scheduled => "SCHEDULED",
            Self::Finished => "FINISHED",
            Self::Failed => "FAILED",
            Self::Killed => "KILLED",
        }
    }

    pub(crate) fn from_name(name: &str) -> Self {
        Self::CHOICES.iter().find(|(known, _)| *known == name).map_or(Self::Running, |(_, status)| *status)
    }
}

/// What is known of a run without what it logged.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunInfo {
    /// The id under its old name, which old clients read.
    pub run_uuid: String,
    /// The experiment that it belongs to.
    pub experiment_id: ExperimentId,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_name: Option<String>,
    /// Who ran it.
    pub user_id: String,
    /// How far it has come.
    pub status: RunStatus,
    /// When it started (ms since 1970).
    pub start_time: i64,
    /// When it ended (ms since 1970).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<i64>,
    /// Where its artifacts live.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_uri: Option<String>,
    /// In use or in the bin.
    pub lifecycle_stage: LifecycleStage,
    /// Its id.
    pub run_id: String,
}

/// A setting that a run was given; it never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Param {
    /// The setting's name.
    pub key: String,
    /// Its value, as text.
    pub value: String,
}

impl Param {
    /// A param of `key` and `value`.
    pub fn new(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self { key: key.into(), value: value.into() }
    }
}

/// What a run logged.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RunData {
    /// The latest value of each metric.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<Metric>,
    /// What it was given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<Param>,
    /// What was attached to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
}

/// What a run read.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RunInputs {
    /// The datasets that it read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dataset_inputs: Vec<DatasetInput>,
    /// The models that it read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub model_inputs: Vec<ModelInput>,
}

/// What a run made.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RunOutputs {
    /// The models that it made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub model_outputs: Vec<ModelOutput>,
}

/// A model that a run read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModelInput {
    /// The model's id.
    pub model_id: String,
}

/// A model that a run made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModelOutput {
    /// The model's id.
    pub model_id: String,
    /// The step of training at which it was made.
    pub step: i64,
}

/// A run with all that belongs to it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Run {
    /// What is known of it.
    pub info: RunInfo,
    /// What it logged.
    pub data: RunData,
    /// What it read.
    pub inputs: RunInputs,
    /// What it made; absent in the answer to its creation, as MLflow has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outputs: Option<RunOutputs>,
}

/// What a new run starts with.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// The experiment that it belongs to.
    pub experiment_id: ExperimentId,
    /// Who runs it.
    pub user_id: String,
    /// When it started (ms since 1970).
    pub start_time: i64,
    /// Its name; a random one when absent and no tag has it.
    pub run_name: Option<String>,
    /// What is attached to it from the start.
    pub tags: Vec<Tag>,
}

/// What changes of a run; what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct RunUpdate {
    /// How far it has come.
    pub status: Option<RunStatus>,
    /// When it ended (ms since 1970).
    pub end_time: Option<i64>,
    /// Its name.
    pub run_name: Option<String>,
}

/// What a run logs at once, all or nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// What it measured.
    pub metrics: Vec<Metric>,
    /// What it was given.
    pub params: Vec<Param>,
    /// What is attached to it.
    pub tags: Vec<Tag>,
}

/// What a search for runs asks for.
#[derive(Clone, Debug)]
pub struct RunSearch {
    /// The experiments to look in.
    pub experiment_ids: Vec<ExperimentId>,
    /// The filter, in MLflow's grammar; empty for all.
    pub filter: String,
    /// Which stages to look at.
    pub view: ViewType,
    /// The order, one `entity.key [ASC|DESC]` each; latest start first when empty.
    pub order_by: Vec<String>,
    /// The page's size.
    pub max_results: i64,
    /// Which page, from the answer before.
    pub page_token: Option<String>,
}
