//! Experiments: the folders that runs and traces live in.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::{Error, Result};

/// An experiment's id: a number, which the API writes as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExperimentId(pub i64);

impl ExperimentId {
    /// The experiment `Default`, which is always there.
    pub const DEFAULT: Self = Self(0);

    /// Reads an id as a request writes it.
    pub fn parse(text: &str) -> Result<Self> {
        text.trim().parse().map(Self).map_err(|_| {
            Error::invalid(format!("Invalid experiment ID '{text}'. Experiment ID must be a valid integer."))
        })
    }
}

impl fmt::Display for ExperimentId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl Serialize for ExperimentId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A key and a value that someone attached to an experiment or a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tag {
    /// The tag's name.
    pub key: String,
    /// Its text.
    pub value: String,
}

impl Tag {
    /// A tag of `key` and `value`.
    pub fn new(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self { key: key.into(), value: value.into() }
    }
}

/// Whether a thing is in use or in the bin; deleting only moves it there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LifecycleStage {
    /// In use.
    Active,
    /// In the bin.
    Deleted,
}

impl LifecycleStage {
    /// The stage's name in the database and in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Deleted => "deleted",
        }
    }

    pub(crate) fn from_name(name: Option<&str>) -> Self {
        if name == Some("deleted") { Self::Deleted } else { Self::Active }
    }
}

/// Which stages a search looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ViewType {
    /// What is in use.
    #[default]
    ActiveOnly,
    /// What is in the bin.
    DeletedOnly,
    /// Both.
    All,
}

impl ViewType {
    /// The names and numbers that requests may use.
    pub(crate) const CHOICES: &[(&str, Self)] = &[
        ("ACTIVE_ONLY", Self::ActiveOnly),
        ("DELETED_ONLY", Self::DeletedOnly),
        ("ALL", Self::All),
        ("1", Self::ActiveOnly),
        ("2", Self::DeletedOnly),
        ("3", Self::All),
    ];

    pub(crate) fn stages(self) -> &'static [&'static str] {
        match self {
            Self::ActiveOnly => &["active"],
            Self::DeletedOnly => &["deleted"],
            Self::All => &["active", "deleted"],
        }
    }
}

/// An experiment as the API shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Experiment {
    /// Its id.
    pub experiment_id: ExperimentId,
    /// Its name, unique among all experiments, also those in the bin.
    pub name: String,
    /// The URI below which its runs' artifacts live.
    pub artifact_location: String,
    /// In use or in the bin.
    pub lifecycle_stage: LifecycleStage,
    /// When it last was created, renamed, deleted or restored (ms since 1970).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_update_time: Option<i64>,
    /// When it was created (ms since 1970).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation_time: Option<i64>,
    /// What was attached to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
    /// The workspace that it belongs to; there is one.
    pub workspace: String,
}

/// What a new experiment starts with.
#[derive(Clone, Debug, Default)]
pub struct NewExperiment {
    /// Its name.
    pub name: String,
    /// Where its artifacts shall live; below the server's artifact root when absent.
    pub artifact_location: Option<String>,
    /// What is attached to it from the start.
    pub tags: Vec<Tag>,
}

/// What a search for experiments asks for.
#[derive(Clone, Debug)]
pub struct ExperimentSearch {
    /// Which stages to look at.
    pub view: ViewType,
    /// The filter, in MLflow's grammar; empty for all.
    pub filter: String,
    /// The order, one `key [ASC|DESC]` each; newest first when empty.
    pub order_by: Vec<String>,
    /// The page's size.
    pub max_results: i64,
    /// Which page, from the answer before.
    pub page_token: Option<String>,
}
