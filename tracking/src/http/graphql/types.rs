//! The types that answers to GraphQL queries have: those of MLflow's schema.

/// An object's type: its name and what can be asked of it.
#[derive(Debug)]
pub(super) struct ObjectType {
    /// The name, which fragments and `__typename` use.
    pub(super) name: &'static str,
    /// What can be asked.
    pub(super) fields: &'static [FieldType],
}

/// A field of an object.
#[derive(Debug)]
pub(super) struct FieldType {
    /// The name as queries write it, in camel case; the data has it in snake case.
    pub(super) name: &'static str,
    /// What it holds.
    pub(super) kind: Kind,
}

/// What a field holds.
#[derive(Debug)]
pub(super) enum Kind {
    /// A text.
    String,
    /// A 64-bit integer, written as text.
    Long,
    /// A double; NaN is `null`.
    Float,
    /// A truth value.
    Boolean,
    /// A member of a closed set; `unset` is what it is when nobody set it.
    Enum { unset: &'static str },
    /// Another object.
    Object(&'static ObjectType),
    /// An object that is never there.
    Unset(&'static ObjectType),
    /// A list.
    List(&'static Kind),
}

impl Kind {
    /// The type of the objects that the field holds, if it holds any.
    pub(super) fn object(&self) -> Option<&'static ObjectType> {
        match self {
            Self::Object(object) | Self::Unset(object) => Some(object),
            Self::List(kind) => kind.object(),
            Self::String | Self::Long | Self::Float | Self::Boolean | Self::Enum { .. } => None,
        }
    }

    /// The kind's name as messages show it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::String | Self::Enum { .. } => "String".to_owned(),
            Self::Long => "LongString".to_owned(),
            Self::Float => "Float".to_owned(),
            Self::Boolean => "Boolean".to_owned(),
            Self::Object(object) | Self::Unset(object) => object.name.to_owned(),
            Self::List(kind) => format!("[{}]", kind.name()),
        }
    }
}

const fn field(name: &'static str, kind: Kind) -> FieldType {
    FieldType { name, kind }
}

static MODEL_VERSION_TAG: ObjectType =
    ObjectType { name: "MlflowModelVersionTag", fields: &[field("key", Kind::String), field("value", Kind::String)] };

static MODEL_PARAM: ObjectType =
    ObjectType { name: "MlflowModelParam", fields: &[field("name", Kind::String), field("value", Kind::String)] };

static MODEL_METRIC: ObjectType = ObjectType {
    name: "MlflowModelMetric",
    fields: &[
        field("key", Kind::String),
        field("value", Kind::Float),
        field("timestamp", Kind::Long),
        field("step", Kind::Long),
        field("datasetName", Kind::String),
        field("datasetDigest", Kind::String),
        field("modelId", Kind::String),
        field("runId", Kind::String),
    ],
};

static MODEL_VERSION_DEPLOYMENT_JOB_STATE: ObjectType = ObjectType {
    name: "MlflowModelVersionDeploymentJobState",
    fields: &[
        field("jobId", Kind::String),
        field("runId", Kind::String),
        field("jobState", Kind::Enum { unset: "DEPLOYMENT_JOB_CONNECTION_STATE_UNSPECIFIED" }),
        field("runState", Kind::Enum { unset: "DEPLOYMENT_JOB_RUN_STATE_UNSPECIFIED" }),
        field("currentTaskName", Kind::String),
    ],
};

static MODEL_VERSION: ObjectType = ObjectType {
    name: "MlflowModelVersion",
    fields: &[
        field("name", Kind::String),
        field("version", Kind::String),
        field("creationTimestamp", Kind::Long),
        field("lastUpdatedTimestamp", Kind::Long),
        field("userId", Kind::String),
        field("currentStage", Kind::String),
        field("description", Kind::String),
        field("source", Kind::String),
        field("runId", Kind::String),
        field("status", Kind::Enum { unset: "PENDING_REGISTRATION" }),
        field("statusMessage", Kind::String),
        field("tags", Kind::List(&Kind::Object(&MODEL_VERSION_TAG))),
        field("runLink", Kind::String),
        field("aliases", Kind::List(&Kind::String)),
        field("modelId", Kind::String),
        field("modelParams", Kind::List(&Kind::Object(&MODEL_PARAM))),
        field("modelMetrics", Kind::List(&Kind::Object(&MODEL_METRIC))),
        field("deploymentJobState", Kind::Object(&MODEL_VERSION_DEPLOYMENT_JOB_STATE)),
    ],
};

static ERROR_DETAIL: ObjectType =
    ObjectType { name: "ErrorDetail", fields: &[field("field", Kind::String), field("message", Kind::String)] };

static API_ERROR: ObjectType = ObjectType {
    name: "ApiError",
    fields: &[
        field("code", Kind::String),
        field("message", Kind::String),
        field("helpUrl", Kind::String),
        field("traceId", Kind::String),
        field("errorDetails", Kind::List(&Kind::Object(&ERROR_DETAIL))),
    ],
};

pub(super) static SEARCH_MODEL_VERSIONS_RESPONSE: ObjectType = ObjectType {
    name: "MlflowSearchModelVersionsResponse",
    fields: &[
        field("modelVersions", Kind::List(&Kind::Object(&MODEL_VERSION))),
        field("nextPageToken", Kind::String),
        field("apiError", Kind::Unset(&API_ERROR)),
    ],
};

static DATASET_SUMMARY: ObjectType = ObjectType {
    name: "MlflowDatasetSummary",
    fields: &[
        field("experimentId", Kind::String),
        field("name", Kind::String),
        field("digest", Kind::String),
        field("context", Kind::String),
    ],
};

pub(super) static SEARCH_DATASETS_RESPONSE: ObjectType = ObjectType {
    name: "MlflowSearchDatasetsResponse",
    fields: &[
        field("datasetSummaries", Kind::List(&Kind::Object(&DATASET_SUMMARY))),
        field("apiError", Kind::Unset(&API_ERROR)),
    ],
};

static METRIC_WITH_RUN_ID: ObjectType = ObjectType {
    name: "MlflowMetricWithRunId",
    fields: &[
        field("key", Kind::String),
        field("value", Kind::Float),
        field("timestamp", Kind::Long),
        field("step", Kind::Long),
        field("runId", Kind::String),
    ],
};

pub(super) static GET_METRIC_HISTORY_BULK_INTERVAL_RESPONSE: ObjectType = ObjectType {
    name: "MlflowGetMetricHistoryBulkIntervalResponse",
    fields: &[
        field("metrics", Kind::List(&Kind::Object(&METRIC_WITH_RUN_ID))),
        field("apiError", Kind::Unset(&API_ERROR)),
    ],
};

static FILE_INFO: ObjectType = ObjectType {
    name: "MlflowFileInfo",
    fields: &[field("path", Kind::String), field("isDir", Kind::Boolean), field("fileSize", Kind::Long)],
};

pub(super) static LIST_ARTIFACTS_RESPONSE: ObjectType = ObjectType {
    name: "MlflowListArtifactsResponse",
    fields: &[
        field("rootUri", Kind::String),
        field("files", Kind::List(&Kind::Object(&FILE_INFO))),
        field("nextPageToken", Kind::String),
        field("apiError", Kind::Unset(&API_ERROR)),
    ],
};

static MODEL_OUTPUT: ObjectType =
    ObjectType { name: "MlflowModelOutput", fields: &[field("modelId", Kind::String), field("step", Kind::Long)] };

static RUN_OUTPUTS: ObjectType =
    ObjectType { name: "MlflowRunOutputs", fields: &[field("modelOutputs", Kind::List(&Kind::Object(&MODEL_OUTPUT)))] };

static MODEL_INPUT: ObjectType = ObjectType { name: "MlflowModelInput", fields: &[field("modelId", Kind::String)] };

static DATASET: ObjectType = ObjectType {
    name: "MlflowDataset",
    fields: &[
        field("name", Kind::String),
        field("digest", Kind::String),
        field("sourceType", Kind::String),
        field("source", Kind::String),
        field("schema", Kind::String),
        field("profile", Kind::String),
    ],
};

static INPUT_TAG: ObjectType =
    ObjectType { name: "MlflowInputTag", fields: &[field("key", Kind::String), field("value", Kind::String)] };

static DATASET_INPUT: ObjectType = ObjectType {
    name: "MlflowDatasetInput",
    fields: &[field("tags", Kind::List(&Kind::Object(&INPUT_TAG))), field("dataset", Kind::Object(&DATASET))],
};

static RUN_INPUTS: ObjectType = ObjectType {
    name: "MlflowRunInputs",
    fields: &[
        field("datasetInputs", Kind::List(&Kind::Object(&DATASET_INPUT))),
        field("modelInputs", Kind::List(&Kind::Object(&MODEL_INPUT))),
    ],
};

static RUN_TAG: ObjectType =
    ObjectType { name: "MlflowRunTag", fields: &[field("key", Kind::String), field("value", Kind::String)] };

static PARAM: ObjectType =
    ObjectType { name: "MlflowParam", fields: &[field("key", Kind::String), field("value", Kind::String)] };

static METRIC_EXTENSION: ObjectType = ObjectType {
    name: "MlflowMetricExtension",
    fields: &[
        field("key", Kind::String),
        field("value", Kind::Float),
        field("timestamp", Kind::Long),
        field("step", Kind::Long),
        field("datasetName", Kind::String),
        field("datasetDigest", Kind::String),
        field("modelId", Kind::String),
        field("runId", Kind::String),
    ],
};

static RUN_DATA: ObjectType = ObjectType {
    name: "MlflowRunData",
    fields: &[
        field("metrics", Kind::List(&Kind::Object(&METRIC_EXTENSION))),
        field("params", Kind::List(&Kind::Object(&PARAM))),
        field("tags", Kind::List(&Kind::Object(&RUN_TAG))),
    ],
};

static RUN_INFO: ObjectType = ObjectType {
    name: "MlflowRunInfo",
    fields: &[
        field("runId", Kind::String),
        field("runUuid", Kind::String),
        field("runName", Kind::String),
        field("experimentId", Kind::String),
        field("userId", Kind::String),
        field("status", Kind::Enum { unset: "RUNNING" }),
        field("startTime", Kind::Long),
        field("endTime", Kind::Long),
        field("artifactUri", Kind::String),
        field("lifecycleStage", Kind::String),
    ],
};

static EXPERIMENT_TAG: ObjectType =
    ObjectType { name: "MlflowExperimentTag", fields: &[field("key", Kind::String), field("value", Kind::String)] };

static EXPERIMENT: ObjectType = ObjectType {
    name: "MlflowExperiment",
    fields: &[
        field("experimentId", Kind::String),
        field("name", Kind::String),
        field("artifactLocation", Kind::String),
        field("lifecycleStage", Kind::String),
        field("lastUpdateTime", Kind::Long),
        field("creationTime", Kind::Long),
        field("tags", Kind::List(&Kind::Object(&EXPERIMENT_TAG))),
        field("effectiveTraceArchivalRetention", Kind::String),
        field("workspace", Kind::String),
    ],
};

static RUN_EXTENSION: ObjectType = ObjectType {
    name: "MlflowRunExtension",
    fields: &[
        field("info", Kind::Object(&RUN_INFO)),
        field("data", Kind::Object(&RUN_DATA)),
        field("inputs", Kind::Object(&RUN_INPUTS)),
        field("outputs", Kind::Object(&RUN_OUTPUTS)),
        field("experiment", Kind::Object(&EXPERIMENT)),
        field("modelVersions", Kind::List(&Kind::Object(&MODEL_VERSION))),
    ],
};

pub(super) static SEARCH_RUNS_RESPONSE: ObjectType = ObjectType {
    name: "MlflowSearchRunsResponse",
    fields: &[
        field("runs", Kind::List(&Kind::Object(&RUN_EXTENSION))),
        field("nextPageToken", Kind::String),
        field("apiError", Kind::Unset(&API_ERROR)),
    ],
};

pub(super) static GET_RUN_RESPONSE: ObjectType = ObjectType {
    name: "MlflowGetRunResponse",
    fields: &[field("run", Kind::Object(&RUN_EXTENSION)), field("apiError", Kind::Unset(&API_ERROR))],
};

pub(super) static GET_EXPERIMENT_RESPONSE: ObjectType = ObjectType {
    name: "MlflowGetExperimentResponse",
    fields: &[field("experiment", Kind::Object(&EXPERIMENT)), field("apiError", Kind::Unset(&API_ERROR))],
};

pub(super) static TEST: ObjectType = ObjectType { name: "Test", fields: &[field("output", Kind::String)] };

pub(super) static TEST_MUTATION: ObjectType =
    ObjectType { name: "TestMutation", fields: &[field("output", Kind::String)] };
