//! What clients send of traces and assessments, into the domain's types.

use std::collections::BTreeMap;

use rest::Fields;
use serde_json::{Map, Value};

use crate::{
    Error, Result,
    assessment::{Assessment, AssessmentError, SourceKind, Verdict},
    experiment::ExperimentId,
    store::now_ms,
    trace::{
        TraceId, TraceInfo, TraceState,
        preview::cut,
        text::python_json,
        time::{parse_duration, parse_timestamp},
    },
};

/// The metadata that names the run that made an assessment.
const SOURCE_RUN: &str = "mlflow.assessment.sourceRunId";

/// The only way that clients serialise an expectation's value.
const JSON_FORMAT: &str = "JSON_FORMAT";

/// A trace's own fields.
pub(super) fn trace_info(mut fields: Fields) -> Result<TraceInfo> {
    let trace_id = TraceId::parse(&fields.required_text("trace_id")?)?;
    let mut location = fields.required_object("trace_location")?;
    let experiment_id = location.required_object("mlflow_experiment")?.required_text("experiment_id")?;
    let request_time = fields.required_text("request_time")?;
    let duration = fields.text("execution_duration")?;
    let assessments = fields.objects("assessments")?;
    Ok(TraceInfo {
        experiment_id: ExperimentId::parse(&experiment_id)?,
        request_time_ms: parse_timestamp("request_time", &request_time)?,
        execution_duration_ms: duration.map(|it| parse_duration("execution_duration", &it)).transpose()?,
        state: fields.choice("state", TraceState::CHOICES)?.unwrap_or_default(),
        client_request_id: fields.text("client_request_id")?,
        request_preview: fields.text("request_preview")?.map(cut),
        response_preview: fields.text("response_preview")?.map(cut),
        metadata: texts(fields.take("trace_metadata")?, "trace_metadata")?,
        tags: texts(fields.take("tags")?, "tags")?,
        assessments: assessments.into_iter().map(|it| assessment(it, trace_id.as_str())).collect::<Result<_>>()?,
        trace_id,
    })
}

/// A new assessment of a trace.
pub(super) fn assessment(mut fields: Fields, trace_id: &str) -> Result<Assessment> {
    let name = fields.required_text("assessment_name")?;
    let mut source = fields.required_object("source")?;
    let source_kind = SourceKind::parse(&source.text("source_type")?.unwrap_or_default())?;
    let source_id = source.text("source_id")?;
    let time = |text: Option<String>, name: &str| text.map(|it| parse_timestamp(name, &it)).transpose();
    let create_time_ms = time(fields.text("create_time")?, "create_time")?.unwrap_or_else(now_ms);
    let last_update_time_ms = time(fields.text("last_update_time")?, "last_update_time")?.unwrap_or(create_time_ms);
    let metadata = object(fields.take("metadata")?, "metadata")?;
    let verdict = verdict(&mut fields)?
        .ok_or_else(|| Error::invalid("Exactly one of `expectation`, `feedback`, or `issue` should be specified."))?;
    Ok(Assessment {
        assessment_id: fields.text("assessment_id")?.filter(|it| !it.is_empty()).unwrap_or_else(Assessment::new_id),
        name,
        trace_id: trace_id.to_owned(),
        span_id: fields.text("span_id")?.filter(|it| !it.is_empty()),
        source_kind,
        source_id,
        create_time_ms,
        last_update_time_ms,
        verdict,
        rationale: fields.text("rationale")?,
        run_id: metadata.get(SOURCE_RUN).and_then(Value::as_str).map(str::to_owned),
        metadata,
        overrides: fields.text("overrides")?.filter(|it| !it.is_empty()),
        valid: true,
    })
}

/// What an assessment says; at most one of the three kinds.
pub(super) fn verdict(fields: &mut Fields) -> Result<Option<Verdict>> {
    let feedback = fields.object("feedback")?;
    let expectation = fields.object("expectation")?;
    let issue = fields.object("issue")?;
    match (feedback, expectation, issue) {
        (Some(mut feedback), None, None) => {
            let error = feedback.object("error")?.map(judge_error).transpose()?;
            Ok(Some(Verdict::Feedback { value: feedback.take("value")?.unwrap_or_default(), error }))
        }
        (None, Some(mut expectation), None) => Ok(Some(Verdict::Expectation(expected(&mut expectation)?))),
        (None, None, Some(mut issue)) => Ok(Some(Verdict::Issue { issue_name: issue.text("issue_name")? })),
        (None, None, None) => Ok(None),
        _ => Err(Error::invalid("Exactly one of `expectation`, `feedback`, or `issue` should be specified.")),
    }
}

fn expected(fields: &mut Fields) -> Result<Value> {
    let Some(mut serialized) = fields.object("serialized_value")? else {
        return Ok(fields.take("value")?.unwrap_or_default());
    };
    let format = serialized.text("serialization_format")?.unwrap_or_default();
    if format != JSON_FORMAT {
        return Err(Error::invalid(format!("Unknown serialization format: {format}. Only JSON_FORMAT is supported.")));
    }
    let text = serialized.required_text("value")?;
    serde_json::from_str(&text)
        .map_err(|error| Error::invalid(format!("The expectation's serialized value is no JSON: {error}")))
}

fn judge_error(mut fields: Fields) -> Result<AssessmentError> {
    Ok(AssessmentError {
        error_code: fields.text("error_code")?,
        error_message: fields.text("error_message")?,
        stack_trace: fields.text("stack_trace")?,
    })
}

/// A map of texts.
pub(super) fn texts(value: Option<Value>, name: &str) -> Result<BTreeMap<String, String>> {
    let text = |(key, value): (String, Value)| match value {
        Value::String(text) => (key, text),
        other => (key, python_json(&other)),
    };
    Ok(object(value, name)?.into_iter().map(text).collect())
}

/// An object, or nothing.
pub(super) fn object(value: Option<Value>, name: &str) -> Result<Map<String, Value>> {
    match value {
        None => Ok(Map::new()),
        Some(Value::Object(object)) => Ok(object),
        Some(other) => Err(Error::wrong_type(name, &other)),
    }
}
