//! Logged models: what training makes, with its params, tags and what was measured on it.

use serde::Serialize;

use crate::{
    experiment::{ExperimentId, Tag},
    metric::RunMetric,
    run::Param,
};

/// How far a model's upload has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum ModelStatus {
    /// Nobody said.
    #[serde(rename = "LOGGED_MODEL_STATUS_UNSPECIFIED")]
    Unspecified,
    /// Its files are on the way.
    #[serde(rename = "LOGGED_MODEL_PENDING")]
    Pending,
    /// It can be used.
    #[serde(rename = "LOGGED_MODEL_READY")]
    Ready,
    /// Its files did not arrive.
    #[serde(rename = "LOGGED_MODEL_UPLOAD_FAILED")]
    Failed,
}

impl ModelStatus {
    /// The names and numbers that requests may use.
    pub(crate) const CHOICES: &[(&str, Self)] = &[
        ("LOGGED_MODEL_STATUS_UNSPECIFIED", Self::Unspecified),
        ("LOGGED_MODEL_PENDING", Self::Pending),
        ("LOGGED_MODEL_READY", Self::Ready),
        ("LOGGED_MODEL_UPLOAD_FAILED", Self::Failed),
        ("0", Self::Unspecified),
        ("1", Self::Pending),
        ("2", Self::Ready),
        ("3", Self::Failed),
    ];

    /// The status as the database keeps it.
    pub(crate) fn number(self) -> i64 {
        match self {
            Self::Unspecified => 0,
            Self::Pending => 1,
            Self::Ready => 2,
            Self::Failed => 3,
        }
    }

    pub(crate) fn from_number(number: i64) -> Self {
        match number {
            1 => Self::Pending,
            2 => Self::Ready,
            3 => Self::Failed,
            _ => Self::Unspecified,
        }
    }
}

/// What is known of a model without what was measured on it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelInfo {
    /// Its id.
    pub model_id: String,
    /// The experiment that it belongs to.
    pub experiment_id: ExperimentId,
    /// Its name.
    pub name: String,
    /// When it was created (ms since 1970).
    pub creation_timestamp_ms: i64,
    /// When it last changed (ms since 1970).
    pub last_updated_timestamp_ms: i64,
    /// Where its files live.
    pub artifact_uri: String,
    /// How far its upload has come.
    pub status: ModelStatus,
    /// What kind of model it is, e.g. an agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_type: Option<String>,
    /// The run that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_run_id: Option<String>,
    /// Words about its status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_message: Option<String>,
    /// What was attached to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
}

/// A model's settings and what was measured on it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ModelData {
    /// What it was trained with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<Param>,
    /// What runs measured on it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<RunMetric>,
}

/// A model with all that belongs to it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LoggedModel {
    /// What is known of it.
    pub info: ModelInfo,
    /// Its settings and metrics.
    pub data: ModelData,
}

/// What a new model starts with.
#[derive(Clone, Debug)]
pub struct NewModel {
    /// The experiment that it belongs to.
    pub experiment_id: ExperimentId,
    /// Its name; a random one when absent.
    pub name: Option<String>,
    /// What kind of model it is.
    pub model_type: String,
    /// The run that makes it.
    pub source_run_id: String,
    /// What it was trained with.
    pub params: Vec<Param>,
    /// What is attached to it from the start.
    pub tags: Vec<Tag>,
}

/// A dataset that metrics were measured on; its digest may be left open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MeasuredOn {
    /// The dataset's name.
    pub dataset_name: String,
    /// Its digest.
    pub dataset_digest: Option<String>,
}

/// A key to sort models by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModelOrder {
    /// An attribute, or `metrics.` and a key.
    pub field_name: String,
    /// Whether small values come first.
    pub ascending: bool,
    /// Counts only metrics measured on this dataset.
    pub dataset_name: Option<String>,
    /// Counts only metrics measured on a dataset with this digest.
    pub dataset_digest: Option<String>,
}

/// What a search for models asks for.
#[derive(Clone, Debug)]
pub struct ModelSearch {
    /// The experiments to look in.
    pub experiment_ids: Vec<ExperimentId>,
    /// The filter, in MLflow's grammar; empty for all.
    pub filter: String,
    /// Counts only metrics measured on these datasets.
    pub datasets: Vec<MeasuredOn>,
    /// The order; newest first when empty.
    pub order_by: Vec<ModelOrder>,
    /// The page's size.
    pub max_results: usize,
    /// Which page, from the answer before.
    pub page_token: Option<String>,
}
