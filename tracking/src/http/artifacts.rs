//! Artifacts over HTTP: of a run by its id, and the proxy below `/api/2.0/mlflow-artifacts`.

mod download;
mod headers;
mod incoming;
mod multipart;
mod presigned;
mod proxy;
mod range;

use axum::{
    Router,
    body::Bytes,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, Method, header::CONTENT_TYPE},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use rest::Fields;
use serde::Serialize;

use super::json::Json;
use crate::{
    Error, Result, Tracking,
    artifacts::{ArtifactPath, Entry},
};

pub(crate) use download::serve;
pub(crate) use proxy::routes as proxy_routes;

/// The largest file of the UI's small upload; MLflow's own limit.
const SMALL_UPLOAD_BYTES_MAX: usize = 10 * 1024 * 1024;

/// What is below `/api/2.0/mlflow`.
pub(crate) fn v2_routes() -> Router<Tracking> {
    Router::new()
        .route("/artifacts/list", get(list))
        .route("/upload-artifact", post(upload_small))
        .route("/logged-models/{model_id}/artifacts/files", get(download_of_model))
        .merge(presigned::v2_routes())
}

/// `/get-artifact`, which browsers download from.
pub(crate) fn root_routes() -> Router<Tracking> {
    Router::new().route("/get-artifact", get(download_of_run))
}

/// One entry of a listing.
#[derive(Serialize)]
struct FileInfo {
    path: String,
    is_dir: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_size: Option<u64>,
}

impl From<Entry> for FileInfo {
    fn from(entry: Entry) -> Self {
        Self { is_dir: entry.is_folder(), path: entry.path, file_size: entry.size.filter(|size| *size > 0) }
    }
}

/// A listing; `root_uri` is what the paths are relative to, where the client does not know it.
#[derive(Serialize)]
pub(super) struct Listing {
    #[serde(skip_serializing_if = "Option::is_none")]
    root_uri: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<FileInfo>,
}

impl Listing {
    pub(super) fn new(root_uri: Option<String>, entries: Vec<Entry>) -> Self {
        Self { root_uri, files: entries.into_iter().map(FileInfo::from).collect() }
    }
}

/// `GET artifacts/list`: what is in a folder of a run's artifacts.
pub(super) async fn list(State(tracking): State<Tracking>, mut fields: Fields) -> Result<Json<Listing>> {
    let run_id = fields.run_id()?;
    let folder = fields.text("path")?.unwrap_or_default();
    let artifact_uri = artifact_uri(&tracking, &run_id).await?;
    let entries = tracking.artifacts().list(&artifact_uri, &folder).await?;
    Ok(Json(Listing::new(Some(artifact_uri), entries)))
}

/// `GET /get-artifact`: downloads one file of a run.
async fn download_of_run(
    State(tracking): State<Tracking>,
    method: Method,
    headers: HeaderMap,
    mut fields: Fields,
) -> Result<Response> {
    let run_id = fields.run_id()?;
    let path = ArtifactPath::file(&fields.required_text("path")?)?;
    let artifact_uri = artifact_uri(&tracking, &run_id).await?;
    let (store, root) = tracking.artifacts().locate(&artifact_uri)?;
    serve(store.as_ref(), &root.join(&path), &method, &headers).await
}

/// `GET logged-models/<id>/artifacts/files`: downloads one file of a model.
async fn download_of_model(
    State(tracking): State<Tracking>,
    Path(model_id): Path<String>,
    method: Method,
    headers: HeaderMap,
    mut fields: Fields,
) -> Result<Response> {
    let path = fields
        .text("artifact_file_path")?
        .filter(|it| !it.is_empty())
        .ok_or_else(|| Error::invalid("Request must include the \"artifact_file_path\" query parameter."))?;
    let path = ArtifactPath::file(&path)?;
    let root = tracking.store().model(&model_id, false).await?.info.artifact_uri;
    let (store, root) = tracking.artifacts().locate(&root)?;
    serve(store.as_ref(), &root.join(&path), &method, &headers).await
}

/// `POST upload-artifact`: stores one small file of a run.
async fn upload_small(State(tracking): State<Tracking>, RawQuery(query): RawQuery, body: Bytes) -> Result<Response> {
    let mut fields = Fields::from_query(&query.unwrap_or_default());
    let run_id = fields.run_id()?;
    let path = fields.required_text("path")?;
    if body.is_empty() {
        return Err(Error::invalid("Request must specify data: the body is the file, and it is empty."));
    }
    if body.len() > SMALL_UPLOAD_BYTES_MAX {
        return Err(Error::invalid(
            "Artifact size is too large. Max size is 10MB; PUT it to mlflow-artifacts instead.",
        ));
    }
    let artifact_uri = artifact_uri(&tracking, &run_id).await?;
    tracking.artifacts().write(&artifact_uri, &path, body).await?;
    // JSON without a document, as MLflow's server answers.
    Ok(([(CONTENT_TYPE, "application/json")], "").into_response())
}

/// The URI below which the artifacts of a run lie.
async fn artifact_uri(tracking: &Tracking, run_id: &str) -> Result<String> {
    let uri = tracking.store().run_info(run_id).await?.artifact_uri;
    uri.ok_or_else(|| Error::InvalidState(format!("Run with id={run_id} has no artifact location")))
}
