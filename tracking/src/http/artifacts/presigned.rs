//! Signed addresses: clients read a file from, and send it to, the bucket that holds it.

use std::{collections::BTreeMap, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::Uri,
    routing::{get, post},
};
use rest::Fields;
use serde::Serialize;

use super::{artifact_uri, proxy::path_behind};
use crate::{
    Error, Result, Tracking,
    artifacts::{self, ArtifactPath},
};

/// How long the address of an upload is valid unless the request says so; MLflow's default.
const UPLOAD_VALID_S: i64 = 900;

/// What S3 allows, seven days; a longer one would be dead on arrival.
const VALID_S_MAX: i64 = 604_800;

/// Below `/api/2.0/mlflow`: files of runs and models that lie in a bucket themselves.
pub(super) fn v2_routes() -> Router<Tracking> {
    Router::new()
        .route("/artifacts/presigned-download-url", post(of_run))
        .route("/artifacts/presigned-upload-url", post(upload))
}

/// Below `/api/2.0/mlflow-artifacts`: files behind this server.
pub(super) fn proxy_routes() -> Router<Tracking> {
    Router::new().route("/presigned/{*path}", get(proxied))
}

#[derive(Serialize)]
struct Proxied {
    url: String,
    headers: BTreeMap<String, String>,
    file_size: u64,
}

#[derive(Serialize)]
struct Signed {
    presigned_url: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_size: Option<u64>,
}

/// `GET presigned/<path>`.
async fn proxied(State(tracking): State<Tracking>, uri: Uri) -> Result<Json<Proxied>> {
    let path = ArtifactPath::file(path_behind(&uri, "/presigned/"))?;
    let direct = tracking.artifacts().destination()?.direct();
    if !direct.offers().download {
        return Err(artifacts::unsupported("Multipart download"));
    }
    let valid = valid(artifacts::signed_download_seconds()?)?;
    let signed = direct.sign_download(&path, valid).await?;
    Ok(Json(Proxied { url: signed.url, headers: BTreeMap::new(), file_size: signed.size }))
}

/// `POST artifacts/presigned-download-url`.
async fn of_run(State(tracking): State<Tracking>, mut fields: Fields) -> Result<Json<Signed>> {
    let run_id = fields.required_text("run_id")?;
    let path = ArtifactPath::file(&fields.required_text("path")?)?;
    let valid = valid(fields.integer("expiration")?.map_or_else(artifacts::signed_download_seconds, Ok)?)?;
    let root = artifact_uri(&tracking, &run_id).await?;
    if let Some(scheme) = artifacts::proxied_scheme(&root) {
        return Err(Error::invalid(format!(
            "Presigned download is not supported for runs with proxied artifact storage (artifact URI scheme: {scheme}). \
             This endpoint requires a run with a direct cloud storage artifact URI."
        )));
    }
    let (store, root) = tracking.artifacts().locate(&root)?;
    let signed = store.direct().sign_download(&root.join(&path), valid).await?;
    Ok(Json(Signed { presigned_url: signed.url, headers: BTreeMap::new(), file_size: Some(signed.size) }))
}

/// `POST artifacts/presigned-upload-url`.
async fn upload(State(tracking): State<Tracking>, mut fields: Fields) -> Result<Json<Signed>> {
    let filled = |text: Option<String>| text.filter(|it| !it.is_empty());
    let (run_id, model_id) = (filled(fields.text("run_id")?), filled(fields.text("model_id")?));
    let path = fields.required_text("path")?;
    let root = match (run_id, model_id) {
        (Some(run_id), None) => artifact_uri(&tracking, &run_id).await?,
        (None, Some(model_id)) => tracking.store().model(&model_id, false).await?.info.artifact_uri,
        _ => return Err(Error::invalid("Exactly one of run_id and model_id must be provided.")),
    };
    let path = ArtifactPath::file(&path)?;
    let valid = valid(fields.integer("expiration")?.unwrap_or(UPLOAD_VALID_S))?;
    if let Some(scheme) = artifacts::proxied_scheme(&root) {
        return Err(Error::invalid(format!(
            "Presigned upload is not supported for proxied artifact storage (artifact URI scheme: {scheme}). This \
             endpoint requires a direct cloud storage artifact URI."
        )));
    }
    let (store, root) = tracking.artifacts().locate(&root)?;
    let signed = store.direct().sign_upload(&root.join(&path), valid).await?;
    Ok(Json(Signed { presigned_url: signed.url, headers: signed.headers.into_iter().collect(), file_size: None }))
}

fn valid(seconds: i64) -> Result<Duration> {
    let in_range = u64::try_from(seconds).ok().filter(|_| (1..=VALID_S_MAX).contains(&seconds));
    in_range.map(Duration::from_secs).ok_or_else(|| {
        Error::invalid(format!("expiration must be between 1 and {VALID_S_MAX} seconds (got {seconds})."))
    })
}
