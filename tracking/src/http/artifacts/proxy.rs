//! `mlflow-artifacts`: clients put, get, list and delete files of the artifact destination through this server.

use axum::{
    Json, Router,
    body::Body,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri, header::CONTENT_LENGTH},
    response::Response,
    routing::get,
};
use rest::{Fields, is_timeout, too_slow};

use super::{
    Listing,
    incoming::{Incoming, UPLOAD_BYTES_MAX},
    multipart, presigned, serve,
};
use crate::{
    Error, Result, Tracking,
    artifacts::{ArtifactPath, Upload},
    http::json::Empty,
};

/// What is below `/api/2.0/mlflow-artifacts`.
pub(crate) fn routes() -> Router<Tracking> {
    Router::new()
        .route("/artifacts", get(list))
        .route("/artifacts/{*path}", get(download).put(upload).delete(remove))
        .merge(multipart::routes())
        .merge(presigned::proxy_routes())
}

/// `GET artifacts?path=`: what is in a folder; paths are relative to it.
async fn list(State(tracking): State<Tracking>, mut fields: Fields) -> Result<Json<Listing>> {
    let folder = ArtifactPath::parse(&fields.text("path")?.unwrap_or_default())?;
    let entries = tracking.artifacts().destination()?.list(&folder).await?;
    Ok(Json(Listing::new(None, entries)))
}

/// `GET artifacts/<path>`: downloads a file, or a range of it.
async fn download(State(tracking): State<Tracking>, method: Method, uri: Uri, headers: HeaderMap) -> Result<Response> {
    serve(tracking.artifacts().destination()?.as_ref(), &file(&uri)?, &method, &headers).await
}

/// `PUT artifacts/<path>`: stores the body as a file.
async fn upload(State(tracking): State<Tracking>, uri: Uri, headers: HeaderMap, body: Body) -> Result<StatusCode> {
    let body = Incoming::new(body);
    let stored = store(&tracking, &uri, &headers, &body).await;
    if stored.is_err() {
        body.drain().await;
    }
    stored.map(|()| StatusCode::OK)
}

async fn store(tracking: &Tracking, uri: &Uri, headers: &HeaderMap, body: &Incoming) -> Result<()> {
    let path = file(uri)?;
    let size = headers.get(CONTENT_LENGTH).and_then(|it| it.to_str().ok()).and_then(|it| it.parse::<u64>().ok());
    if size.is_some_and(|it| it > UPLOAD_BYTES_MAX) {
        return Err(Error::TooLarge(format!("artifact `{path}` is larger than {UPLOAD_BYTES_MAX} bytes")));
    }
    let upload = Upload { body: body.bounded(), size };
    let stored = tracking.artifacts().destination()?.put(&path, upload).await;
    stored.map_err(|error| if is_timeout(&error) { too_slow() } else { error })
}

/// `DELETE artifacts/<path>`: deletes a file or a folder with all in it.
async fn remove(State(tracking): State<Tracking>, uri: Uri) -> Result<Json<Empty>> {
    let path = ArtifactPath::parse(path_behind(&uri, "/artifacts/"))?;
    tracking.artifacts().destination()?.delete(&path).await?;
    Ok(Json(Empty {}))
}

fn file(uri: &Uri) -> Result<ArtifactPath> {
    ArtifactPath::file(path_behind(uri, "/artifacts/"))
}

/// The path as it came, still encoded, so that decoding and checking happen in one place.
pub(super) fn path_behind<'a>(uri: &'a Uri, route: &str) -> &'a str {
    uri.path().split_once(route).map_or("", |(_, path)| path)
}
