//! Where the records of an endpoint's calls go, if anywhere, and what of the calls stands in them.

mod policy;
mod redaction;

pub(crate) use policy::{Bodies, Logged, RecordConfig, RecordPolicy, Sample};
pub(crate) use redaction::Redaction;

/// Where the records of an endpoint's calls go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// The endpoint in the database; `None` for one of the configuration file.
    pub registered: Option<Registered>,
    /// The experiment.
    pub experiment: Experiment,
    /// Whether calls are recorded as traces at all: MLflow's `usage_tracking`.
    pub is_on: bool,
}

/// An endpoint of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// MLflow's id of it, `e-…`.
    pub id: String,
    /// Its name, by which it is called whichever of its models answers.
    pub name: String,
}

/// An experiment for calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Experiment {
    /// The endpoint's own, `gateway/<name>`.
    #[default]
    Own,
    /// The one of this name.
    Named(String),
    /// The one of this number.
    Number(i64),
}
