//! Traces over HTTP: MLflow's API, and OpenTelemetry's `/v1/traces`.

mod assessments;
mod correlation;
mod metrics;
mod otlp;
mod parse;
mod v2;
mod wire;

use axum::{
    Json, Router,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, Method, header::CONTENT_DISPOSITION, header::CONTENT_TYPE},
    response::{IntoResponse as _, Response},
    routing::{get, patch, post},
};
use rest::Fields;
use serde_json::{Value, json};

use super::{artifacts, json::Empty};
use crate::{
    Error, Result, Tracking,
    artifacts::ArtifactPath,
    experiment::ExperimentId,
    trace::{TraceDeletion, TraceId, TraceInfo, TraceSearch, content, keys},
};

/// Traces on a page that names no size.
const PAGE_DEFAULT: i64 = 100;

/// Ids at most in one request for several traces; each answer holds all of their spans.
const BATCH_MAX: usize = 500;

/// The file that clients keep a trace's spans in where the server does not.
const SPANS_FILE: &str = "traces.json";

/// Tags that say where the spans are, which only the server knows.
const SYSTEM_TAGS: [&str; 3] = [keys::SPANS_LOCATION, keys::ARCHIVE_LOCATION, keys::ARCHIVAL_FAILURE];

/// `/v1/traces`, where every OpenTelemetry exporter sends to.
pub(crate) fn root_routes() -> Router<Tracking> {
    Router::new().route("/v1/traces", post(otlp::export))
}

/// What is below `/api/2.0/mlflow`.
pub(crate) fn v2_routes() -> Router<Tracking> {
    Router::new()
        .route("/traces", get(v2::search).post(v2::start))
        .route("/traces/{trace_id}", patch(v2::end))
        .route("/traces/{trace_id}/info", get(v2::read))
        .route("/traces/delete-traces", post(delete))
        .route("/traces/link-prompts", post(link_prompts))
        .route("/traces/link-to-run", post(link_to_run))
        .route("/traces/{trace_id}/tags", patch(set_tag).delete(delete_tag))
        .route("/get-trace-artifact", get(spans_file))
}

/// What is below `/api/3.0/mlflow`.
pub(crate) fn v3_routes() -> Router<Tracking> {
    Router::new()
        .route("/traces", post(start))
        .route("/traces/search", get(search).post(search))
        .route("/traces/get", get(read))
        .route("/traces/batchGet", get(read_many).post(read_many))
        .route("/traces/batchGetInfos", get(read_infos).post(read_infos))
        .route("/traces/calculate-filter-correlation", post(correlation::calculate))
        .route("/traces/delete-traces", post(delete))
        .route("/traces/metrics", post(metrics::query))
        .route("/traces/{trace_id}", get(read_info))
        .route("/traces/{trace_id}/tags", patch(set_tag).delete(delete_tag))
        .route("/traces/{trace_id}/assessments", post(assessments::create))
        .route(
            "/traces/{trace_id}/assessments/{assessment_id}",
            get(assessments::read).patch(assessments::update).delete(assessments::delete),
        )
        .route("/get-trace-artifact", get(spans_file))
}

/// `POST traces`: a trace's own fields.
async fn start(State(tracking): State<Tracking>, mut fields: Fields) -> Result<Json<Value>> {
    let mut trace = fields.required_object("trace")?;
    let info = parse::trace_info(trace.required_object("trace_info")?)?;
    let info = tracking.store().start_trace(info).await?;
    Ok(Json(json!({"trace": {"trace_info": wire::info(&info)}})))
}

/// `POST traces/search`, or `GET` with `experiment_ids`: traces without spans.
async fn search(State(tracking): State<Tracking>, mut fields: Fields) -> Result<Json<Value>> {
    let mut ids = fields.texts("experiment_ids")?;
    for mut location in fields.objects("locations")? {
        if let Some(mut experiment) = location.object("mlflow_experiment")? {
            ids.push(experiment.required_text("experiment_id")?);
        }
    }
    if ids.is_empty() {
        return Err(fields.missing("locations"));
    }
    let search = TraceSearch {
        experiment_ids: ids.iter().map(|id| ExperimentId::parse(id)).collect::<Result<_>>()?,
        filter: fields.text("filter")?.unwrap_or_default(),
        order_by: fields.texts("order_by")?,
        max_results: fields.integer("max_results")?.unwrap_or(PAGE_DEFAULT),
        page_token: fields.text("page_token")?,
    };
    let page = tracking.store().search_traces(&search).await?;
    let mut answer = serde_json::Map::new();
    if !page.items.is_empty() {
        answer.insert("traces".to_owned(), page.items.iter().map(wire::info).collect());
    }
    if let Some(token) = page.next_page_token {
        answer.insert("next_page_token".to_owned(), token.into());
    }
    Ok(Json(answer.into()))
}

/// `GET traces/{trace_id}`: what is known of a trace without its spans.
async fn read_info(State(tracking): State<Tracking>, Path(trace_id): Path<String>) -> Result<Json<Value>> {
    let info = tracking.store().trace_info(&trace_id).await?;
    Ok(Json(json!({"trace": {"trace_info": wire::info(&info)}})))
}

/// `GET traces/get`: a trace with its spans.
async fn read(State(tracking): State<Tracking>, mut fields: Fields) -> Result<Json<Value>> {
    let trace_id = TraceId::parse(&fields.required_text("trace_id")?)?;
    let trace = if fields.boolean("allow_partial")?.unwrap_or(false) {
        tracking.store().trace(&trace_id).await?
    } else {
        tracking.store().complete_trace(&trace_id).await?
    };
    Ok(Json(json!({"trace": wire::trace(&trace)})))
}

/// `GET traces/batchGet`: several traces with their spans.
async fn read_many(State(tracking): State<Tracking>, mut fields: Fields) -> Result<Json<Value>> {
    let (trace_ids, experiment_ids) = several(&mut fields)?;
    let traces = tracking.store().complete_traces(&trace_ids, experiment_ids.as_deref()).await?;
    Ok(list("traces", traces.iter().map(wire::trace)))
}

/// `POST traces/batchGetInfos`: several traces without their spans.
async fn read_infos(State(tracking): State<Tracking>, mut fields: Fields) -> Result<Json<Value>> {
    let (trace_ids, experiment_ids) = several(&mut fields)?;
    let infos = tracking.store().trace_infos(&trace_ids, experiment_ids.as_deref()).await?;
    Ok(list("trace_infos", infos.iter().map(wire::info)))
}

fn several(fields: &mut Fields) -> Result<(Vec<String>, Option<Vec<ExperimentId>>)> {
    let trace_ids = fields.texts("trace_ids")?;
    if trace_ids.is_empty() {
        return Err(fields.missing("trace_ids"));
    }
    if trace_ids.len() > BATCH_MAX {
        return Err(Error::invalid(format!(
            "At most {BATCH_MAX} trace_ids can be read at once. Got {}. Split them up across several requests.",
            trace_ids.len()
        )));
    }
    let experiment_ids = fields.texts("experiment_ids")?;
    let experiment_ids = experiment_ids.iter().map(|it| ExperimentId::parse(it)).collect::<Result<Vec<_>>>()?;
    Ok((trace_ids, Some(experiment_ids).filter(|it| !it.is_empty())))
}

/// A list under its name; protobuf's JSON leaves empty ones out.
fn list(name: &str, items: impl Iterator<Item = Value>) -> Json<Value> {
    let items: Vec<Value> = items.collect();
    Json(if items.is_empty() { json!({}) } else { json!({name: items}) })
}

/// `PATCH traces/{trace_id}/tags`.
async fn set_tag(
    State(tracking): State<Tracking>,
    Path(trace_id): Path<String>,
    mut fields: Fields,
) -> Result<Json<Empty>> {
    let key = fields.required_text("key")?;
    if SYSTEM_TAGS.contains(&key.as_str()) {
        return Err(Error::invalid(format!("Tag '{key}' is immutable and cannot be set on a trace.")));
    }
    tracking.store().set_trace_tag(&trace_id, &key, fields.text("value")?.unwrap_or_default()).await?;
    Ok(Json(Empty {}))
}

/// `DELETE traces/{trace_id}/tags`; clients send the key in the body or in the query string.
async fn delete_tag(
    State(tracking): State<Tracking>,
    Path(trace_id): Path<String>,
    mut fields: Fields,
) -> Result<Json<Empty>> {
    let key = fields.required_text("key")?;
    if SYSTEM_TAGS.contains(&key.as_str()) && key != keys::ARCHIVAL_FAILURE {
        return Err(Error::invalid(format!("Tag '{key}' is immutable and cannot be deleted on a trace.")));
    }
    tracking.store().delete_trace_tag(&trace_id, &key).await?;
    Ok(Json(Empty {}))
}

/// `POST traces/delete-traces`: by age or by id.
async fn delete(State(tracking): State<Tracking>, mut fields: Fields) -> Result<Json<Value>> {
    let experiment_id = ExperimentId::parse(&fields.required_text("experiment_id")?)?;
    let ids = fields.texts("request_ids")?;
    let max_traces = fields.integer("max_traces")?;
    let which = match fields.integer("max_timestamp_millis")? {
        Some(_) if !ids.is_empty() => TraceDeletion::Ids(Vec::new()),
        Some(max_timestamp_ms) => TraceDeletion::UpTo { max_timestamp_ms, max_traces },
        None if max_traces.is_some() => {
            return Err(Error::invalid("`max_traces` can't be specified if `trace_ids` is specified."));
        }
        None => TraceDeletion::Ids(ids),
    };
    let deleted = tracking.store().delete_traces(experiment_id, which).await?;
    Ok(Json(json!({"traces_deleted": deleted})))
}

/// `POST traces/link-to-run`.
async fn link_to_run(State(tracking): State<Tracking>, mut fields: Fields) -> Result<Json<Empty>> {
    let trace_ids = fields.texts("trace_ids")?;
    if trace_ids.is_empty() {
        return Err(fields.missing("trace_ids"));
    }
    tracking.store().link_traces_to_run(trace_ids, &fields.required_text("run_id")?).await?;
    Ok(Json(Empty {}))
}

/// `POST traces/link-prompts`: the versions of prompts that a trace used.
async fn link_prompts(State(tracking): State<Tracking>, mut fields: Fields) -> Result<Json<Empty>> {
    let trace_id = fields.required_text("trace_id")?;
    if !fields.has("prompt_versions") {
        return Err(fields.missing("prompt_versions"));
    }
    let mut prompts = Vec::new();
    for mut prompt in fields.objects("prompt_versions")? {
        let (name, version) = (prompt.required_text("name")?, prompt.required_integer("version")?);
        prompts.push(format!("{name}/{version}"));
    }
    tracking.store().link_prompts_to_trace(&trace_id, prompts).await?;
    Ok(Json(Empty {}))
}

/// `GET get-trace-artifact`: a trace's spans as the file that MLflow's client keeps, or one of its attachments.
async fn spans_file(State(tracking): State<Tracking>, headers: HeaderMap, mut fields: Fields) -> Result<Response> {
    let trace_id = TraceId::parse(&fields.required_text("request_id")?)?;
    let attachment = fields.text("path")?.filter(|it| !it.is_empty());
    let info = tracking.store().trace_info(trace_id.as_str()).await?;
    let is_here = info.tags.get(keys::SPANS_LOCATION).is_some_and(|it| it == keys::TRACKING_STORE);
    match attachment {
        Some(path) => download(&tracking, &info, &format!("attachments/{path}"), &headers).await,
        None if !is_here => download(&tracking, &info, SPANS_FILE, &headers).await,
        None => {
            let trace = tracking.store().trace(&trace_id).await?;
            let spans: Vec<String> = trace.spans.iter().map(content::write).collect();
            let file = format!("{{\"spans\": [{}]}}", spans.join(", "));
            let mut response = Body::from(file).into_response();
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
            headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=traces.json"));
            Ok(response)
        }
    }
}

async fn download(tracking: &Tracking, info: &TraceInfo, path: &str, headers: &HeaderMap) -> Result<Response> {
    let uri = info
        .tags
        .get(keys::ARTIFACT_LOCATION)
        .ok_or_else(|| Error::not_found(format!("Trace with ID '{}' has no artifact location.", info.trace_id)))?;
    let (store, root) = tracking.artifacts().locate(uri)?;
    artifacts::serve(store.as_ref(), &root.join(&ArtifactPath::file(path)?), &Method::GET, headers).await
}
