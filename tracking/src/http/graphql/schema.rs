//! What a GraphQL query may ask for at its root, and with which arguments.

use super::types::{
    GET_EXPERIMENT_RESPONSE, GET_METRIC_HISTORY_BULK_INTERVAL_RESPONSE, GET_RUN_RESPONSE, LIST_ARTIFACTS_RESPONSE,
    ObjectType, SEARCH_DATASETS_RESPONSE, SEARCH_MODEL_VERSIONS_RESPONSE, SEARCH_RUNS_RESPONSE, TEST, TEST_MUTATION,
};

/// A field at the root.
#[derive(Debug)]
pub(super) struct RootField {
    /// The name as queries write it.
    pub(super) name: &'static str,
    /// What answers it.
    pub(super) operation: Operation,
    /// Its one argument.
    pub(super) argument: Argument,
    /// What it gives.
    pub(super) answer: &'static ObjectType,
}

/// What the server does for a field at the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    GetExperiment,
    GetMetricHistoryBulkInterval,
    GetRun,
    ListArtifacts,
    SearchModelVersions,
    SearchRuns,
    SearchDatasets,
    Echo,
}

/// The argument of a root field.
#[derive(Debug)]
pub(super) enum Argument {
    /// `input: <type>`.
    Input(&'static InputType),
    /// `inputString: String`.
    Text,
}

impl Argument {
    /// The argument's name.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Input(_) => "input",
            Self::Text => "inputString",
        }
    }
}

/// An object that queries pass in.
#[derive(Debug)]
pub(super) struct InputType {
    /// The name, which variable definitions use.
    pub(super) name: &'static str,
    /// Its fields.
    pub(super) fields: &'static [(&'static str, InputKind)],
}

/// What a field of an input holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InputKind {
    /// A text.
    String,
    /// Texts.
    Strings,
    /// A 32-bit integer.
    Int,
    /// A 64-bit integer, as number or text.
    Long,
    /// Which stages to look at.
    ViewType,
}

/// The names of the view types.
pub(super) const VIEW_TYPES: [&str; 3] = ["ACTIVE_ONLY", "DELETED_ONLY", "ALL"];

/// The fields of `Query`.
pub(super) static QUERY: &[RootField] = &[
    input("mlflowGetExperiment", Operation::GetExperiment, &GET_EXPERIMENT, &GET_EXPERIMENT_RESPONSE),
    input(
        "mlflowGetMetricHistoryBulkInterval",
        Operation::GetMetricHistoryBulkInterval,
        &METRIC_HISTORY,
        &GET_METRIC_HISTORY_BULK_INTERVAL_RESPONSE,
    ),
    input("mlflowGetRun", Operation::GetRun, &GET_RUN, &GET_RUN_RESPONSE),
    input("mlflowListArtifacts", Operation::ListArtifacts, &LIST_ARTIFACTS, &LIST_ARTIFACTS_RESPONSE),
    input(
        "mlflowSearchModelVersions",
        Operation::SearchModelVersions,
        &SEARCH_MODEL_VERSIONS,
        &SEARCH_MODEL_VERSIONS_RESPONSE,
    ),
    input("mlflowSearchRuns", Operation::SearchRuns, &SEARCH_RUNS, &SEARCH_RUNS_RESPONSE),
    RootField { name: "test", operation: Operation::Echo, argument: Argument::Text, answer: &TEST },
];

/// The fields of `Mutation`; MLflow has searches among them.
pub(super) static MUTATION: &[RootField] = &[
    input("mlflowSearchDatasets", Operation::SearchDatasets, &SEARCH_DATASETS, &SEARCH_DATASETS_RESPONSE),
    input("mlflowSearchRuns", Operation::SearchRuns, &SEARCH_RUNS, &SEARCH_RUNS_RESPONSE),
    RootField { name: "testMutation", operation: Operation::Echo, argument: Argument::Text, answer: &TEST_MUTATION },
];

const fn input(
    name: &'static str,
    operation: Operation,
    input: &'static InputType,
    answer: &'static ObjectType,
) -> RootField {
    RootField { name, operation, argument: Argument::Input(input), answer }
}

static GET_EXPERIMENT: InputType =
    InputType { name: "MlflowGetExperimentInput", fields: &[("experimentId", InputKind::String)] };

static GET_RUN: InputType =
    InputType { name: "MlflowGetRunInput", fields: &[("runId", InputKind::String), ("runUuid", InputKind::String)] };

static SEARCH_RUNS: InputType = InputType {
    name: "MlflowSearchRunsInput",
    fields: &[
        ("experimentIds", InputKind::Strings),
        ("filter", InputKind::String),
        ("runViewType", InputKind::ViewType),
        ("maxResults", InputKind::Int),
        ("orderBy", InputKind::Strings),
        ("pageToken", InputKind::String),
    ],
};

static LIST_ARTIFACTS: InputType = InputType {
    name: "MlflowListArtifactsInput",
    fields: &[
        ("runId", InputKind::String),
        ("runUuid", InputKind::String),
        ("path", InputKind::String),
        ("pageToken", InputKind::String),
    ],
};

static METRIC_HISTORY: InputType = InputType {
    name: "MlflowGetMetricHistoryBulkIntervalInput",
    fields: &[
        ("runIds", InputKind::Strings),
        ("metricKey", InputKind::String),
        ("startStep", InputKind::Int),
        ("endStep", InputKind::Int),
        ("maxResults", InputKind::Int),
    ],
};

static SEARCH_DATASETS: InputType =
    InputType { name: "MlflowSearchDatasetsInput", fields: &[("experimentIds", InputKind::Strings)] };

static SEARCH_MODEL_VERSIONS: InputType = InputType {
    name: "MlflowSearchModelVersionsInput",
    fields: &[
        ("filter", InputKind::String),
        ("maxResults", InputKind::Long),
        ("orderBy", InputKind::Strings),
        ("pageToken", InputKind::String),
    ],
};
