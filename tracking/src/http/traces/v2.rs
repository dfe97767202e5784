//! The first version of MLflow's trace API, which clients before 3.0 speak: a trace is started, then ended.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use rest::Fields;
use serde::Serialize;

use crate::{
    Error, Result, Tracking,
    experiment::{ExperimentId, Tag},
    http::json::Json,
    store::new_id,
    trace::{TraceId, TraceInfo, TraceSearch, TraceState, keys},
};

/// The names and numbers that requests use for how a trace ended.
const STATUSES: &[(&str, TraceState)] = &[
    ("TRACE_STATUS_UNSPECIFIED", TraceState::Unspecified),
    ("OK", TraceState::Ok),
    ("ERROR", TraceState::Error),
    ("IN_PROGRESS", TraceState::InProgress),
    ("0", TraceState::Unspecified),
    ("1", TraceState::Ok),
    ("2", TraceState::Error),
    ("3", TraceState::InProgress),
];

#[derive(Serialize)]
pub(super) struct One {
    trace_info: Wire,
}

#[derive(Serialize)]
pub(super) struct Found {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    traces: Vec<Wire>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

/// A trace as this version of the API writes it.
#[derive(Serialize)]
struct Wire {
    request_id: String,
    experiment_id: ExperimentId,
    timestamp_ms: i64,
    execution_time_ms: i64,
    status: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    request_metadata: Vec<Tag>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Tag>,
}

impl From<TraceInfo> for Wire {
    fn from(info: TraceInfo) -> Self {
        let pairs = |pairs: BTreeMap<String, String>| pairs.into_iter().map(|(key, value)| Tag { key, value });
        Self {
            request_id: info.trace_id.to_string(),
            experiment_id: info.experiment_id,
            timestamp_ms: info.request_time_ms,
            execution_time_ms: info.execution_duration_ms.unwrap_or_default(),
            status: match info.state {
                TraceState::Unspecified => "TRACE_STATUS_UNSPECIFIED",
                state => state.name(),
            },
            // That the fields are final is a notion of the version after this one.
            request_metadata: pairs(info.metadata).filter(|it| it.key != keys::FINALIZED).collect(),
            tags: pairs(info.tags).collect(),
        }
    }
}

/// `POST traces`: a trace begins.
pub(super) async fn start(State(tracking): State<Tracking>, mut fields: Fields) -> Result<Json<One>> {
    let info = TraceInfo {
        trace_id: TraceId::parse(&new_id())?,
        experiment_id: ExperimentId::parse(&fields.required_text("experiment_id")?)?,
        request_time_ms: fields.integer("timestamp_ms")?.unwrap_or_default(),
        execution_duration_ms: None,
        state: TraceState::InProgress,
        client_request_id: None,
        request_preview: None,
        response_preview: None,
        metadata: pairs(&mut fields, "request_metadata")?,
        tags: pairs(&mut fields, "tags")?,
        assessments: Vec::new(),
    };
    let info = tracking.store().start_trace(info).await?;
    Ok(Json(One { trace_info: info.into() }))
}

/// `PATCH traces/{request_id}`: the trace ends; what comes with it is added to what it has.
pub(super) async fn end(
    State(tracking): State<Tracking>,
    Path(request_id): Path<String>,
    mut fields: Fields,
) -> Result<Json<One>> {
    let begun = tracking.store().trace_info(&request_id).await?;
    let end_ms = fields.integer("timestamp_ms")?.unwrap_or_default();
    let info = TraceInfo {
        execution_duration_ms: Some(end_ms.saturating_sub(begun.request_time_ms)),
        state: fields.choice("status", STATUSES)?.unwrap_or_default(),
        metadata: pairs(&mut fields, "request_metadata")?,
        tags: pairs(&mut fields, "tags")?,
        assessments: Vec::new(),
        ..begun
    };
    let info = tracking.store().start_trace(info).await?;
    Ok(Json(One { trace_info: info.into() }))
}

/// `GET traces/{request_id}/info`.
pub(super) async fn read(State(tracking): State<Tracking>, Path(request_id): Path<String>) -> Result<Json<One>> {
    let info = tracking.store().trace_info(&request_id).await?;
    Ok(Json(One { trace_info: info.into() }))
}

/// `GET traces`: a page of traces.
pub(super) async fn search(State(tracking): State<Tracking>, mut fields: Fields) -> Result<Json<Found>> {
    let ids = fields.texts("experiment_ids")?;
    if ids.is_empty() {
        return Err(fields.missing("experiment_ids"));
    }
    let search = TraceSearch {
        experiment_ids: ids.iter().map(|id| ExperimentId::parse(id)).collect::<Result<_>>()?,
        filter: fields.text("filter")?.unwrap_or_default(),
        order_by: fields.texts("order_by")?,
        max_results: fields.integer("max_results")?.unwrap_or(super::PAGE_DEFAULT),
        page_token: fields.text("page_token")?,
    };
    let page = tracking.store().search_traces(&search).await?;
    Ok(Json(Found { traces: page.items.into_iter().map(Wire::from).collect(), next_page_token: page.next_page_token }))
}

/// A list of keys and values; each key must be there, and only once.
fn pairs(fields: &mut Fields, name: &str) -> Result<BTreeMap<String, String>> {
    let mut pairs = BTreeMap::new();
    for mut pair in fields.objects(name)? {
        let key = pair.required_text("key")?;
        let value = pair.text("value")?.unwrap_or_default();
        if pairs.insert(key.clone(), value).is_some() {
            return Err(Error::invalid(format!("The key '{key}' is in '{name}' more than once.")));
        }
    }
    Ok(pairs)
}
