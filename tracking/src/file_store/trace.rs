//! A trace's folder: `trace_info.yaml`, `request_metadata/`, `tags/`, `assessments/`; its spans are an artifact.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::files::{keyed_files, pairs, yaml};
use crate::{
    Error, Result,
    assessment::{Assessment, AssessmentError, SourceKind, Verdict},
    experiment::ExperimentId,
    trace::{TraceId, TraceInfo, TraceState, time::parse_timestamp},
};

/// A trace as a file store has it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredTrace(pub TraceInfo);

#[derive(Deserialize)]
struct Meta {
    trace_id: Option<String>,
    /// The id, before MLflow 3.
    request_id: Option<String>,
    request_time: Option<Time>,
    /// The start, before MLflow 3.
    timestamp_ms: Option<i64>,
    execution_duration_ms: Option<i64>,
    /// The duration, before MLflow 3.
    execution_time_ms: Option<i64>,
    state: Option<String>,
    /// The state, before MLflow 3.
    status: Option<String>,
    client_request_id: Option<String>,
    request_preview: Option<String>,
    response_preview: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Time {
    Ms(i64),
    Text(String),
}

#[derive(Deserialize)]
struct AssessmentMeta {
    assessment_id: Option<String>,
    assessment_name: Option<String>,
    name: Option<String>,
    span_id: Option<String>,
    source: Option<SourceMeta>,
    create_time: Option<Time>,
    create_time_ms: Option<i64>,
    last_update_time: Option<Time>,
    last_update_time_ms: Option<i64>,
    feedback: Option<FeedbackMeta>,
    expectation: Option<ExpectationMeta>,
    rationale: Option<String>,
    metadata: Option<Map<String, Value>>,
    overrides: Option<String>,
    valid: Option<bool>,
    run_id: Option<String>,
}

#[derive(Deserialize)]
struct SourceMeta {
    source_type: Option<String>,
    source_id: Option<String>,
}

#[derive(Deserialize)]
struct FeedbackMeta {
    #[serde(default)]
    value: Value,
    error: Option<ErrorMeta>,
}

#[derive(Deserialize)]
struct ErrorMeta {
    error_code: Option<String>,
    error_message: Option<String>,
    stack_trace: Option<String>,
}

#[derive(Deserialize)]
struct ExpectationMeta {
    #[serde(default)]
    value: Value,
    /// A value that is an object or a list, as JSON.
    serialized_value: Option<SerializedMeta>,
}

#[derive(Deserialize)]
struct SerializedMeta {
    value: String,
}

impl ExpectationMeta {
    fn into_value(self) -> Result<Value> {
        match self.serialized_value {
            None => Ok(self.value),
            Some(SerializedMeta { value }) => serde_json::from_str(&value)
                .map_err(|error| Error::invalid(format!("expectation.serialized_value: {error}"))),
        }
    }
}

impl Time {
    fn ms(&self, name: &str) -> Result<i64> {
        match self {
            Self::Ms(ms) => Ok(*ms),
            Self::Text(text) => parse_timestamp(name, text),
        }
    }
}

impl StoredTrace {
    /// Reads a trace's folder.
    pub fn read(folder: &Path, experiment_id: ExperimentId) -> Result<Self> {
        let file = folder.join("trace_info.yaml");
        let wrong = |words: String| Error::invalid(format!("{}: {words}", file.display()));
        let meta: Meta = yaml(&file)?;
        let id = meta.trace_id.or(meta.request_id);
        let trace_id = TraceId::parse(&id.ok_or_else(|| wrong("there is no trace_id".to_owned()))?)
            .map_err(|error| wrong(error.to_string()))?;
        let request_time_ms = match (meta.timestamp_ms, meta.request_time) {
            (Some(ms), _) => ms,
            (None, Some(time)) => time.ms("request_time").map_err(|error| wrong(error.to_string()))?,
            (None, None) => return Err(wrong("there is no request_time".to_owned())),
        };
        let mut assessments = Vec::new();
        for (name, file) in keyed_files(&folder.join("assessments"))? {
            if let Some(id) = name.strip_suffix(".yaml") {
                let meta: AssessmentMeta = yaml(&file)?;
                let read = assessment(meta, id, trace_id.as_str());
                assessments.push(read.map_err(|error| Error::invalid(format!("{}: {error}", file.display())))?);
            }
        }
        Ok(Self(TraceInfo {
            experiment_id,
            request_time_ms,
            execution_duration_ms: meta.execution_duration_ms.or(meta.execution_time_ms),
            state: TraceState::from_name(&meta.state.or(meta.status).unwrap_or_default()),
            client_request_id: meta.client_request_id,
            request_preview: meta.request_preview,
            response_preview: meta.response_preview,
            metadata: pairs(&folder.join("request_metadata"))?.into_iter().collect(),
            tags: pairs(&folder.join("tags"))?.into_iter().collect(),
            assessments,
            trace_id,
        }))
    }
}

fn assessment(meta: AssessmentMeta, file_name: &str, trace_id: &str) -> Result<Assessment> {
    let verdict = match (meta.feedback, meta.expectation) {
        (Some(feedback), _) => Verdict::Feedback {
            value: feedback.value,
            error: feedback.error.map(|it| AssessmentError {
                error_code: it.error_code,
                error_message: it.error_message,
                stack_trace: it.stack_trace,
            }),
        },
        (None, Some(expectation)) => Verdict::Expectation(expectation.into_value()?),
        (None, None) => return Err(Error::invalid("there is neither feedback nor expectation")),
    };
    let (kind, source_id) = meta.source.map_or((None, None), |it| (it.source_type, it.source_id));
    let time = |ms: Option<i64>, time: Option<Time>, name: &str| match ms {
        Some(ms) => Ok(Some(ms)),
        None => time.map(|it| it.ms(name)).transpose(),
    };
    let create_time_ms = time(meta.create_time_ms, meta.create_time, "create_time")?.unwrap_or_default();
    let last_update_time_ms = time(meta.last_update_time_ms, meta.last_update_time, "last_update_time")?;
    Ok(Assessment {
        assessment_id: meta.assessment_id.unwrap_or_else(|| file_name.to_owned()),
        name: meta.assessment_name.or(meta.name).unwrap_or_default(),
        trace_id: trace_id.to_owned(),
        span_id: meta.span_id,
        source_kind: SourceKind::parse(kind.as_deref().unwrap_or("CODE"))?,
        source_id,
        create_time_ms,
        last_update_time_ms: last_update_time_ms.unwrap_or(create_time_ms),
        verdict,
        rationale: meta.rationale,
        metadata: meta.metadata.unwrap_or_default(),
        overrides: meta.overrides,
        valid: meta.valid.unwrap_or(true),
        run_id: meta.run_id,
    })
}
