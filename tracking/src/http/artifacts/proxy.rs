//! `mlflow-artifacts`: clients put, get, list and delete files of the artifact destination through this server.

use axum::{
    Json, Router,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header::CONTENT_LENGTH},
    response::Response,
    routing::{get, post},
};
use futures::StreamExt as _;

use super::{Listing, serve};
use crate::{
    Error, Result, Tracking,
    artifacts::{ArtifactPath, ByteStream},
    http::{extract::Fields, json::Empty},
};

/// The largest file: far above any model, so that only a client that never stops meets it.
const UPLOAD_BYTES_MAX: u64 = 1 << 40;

/// What is below `/api/2.0/mlflow-artifacts`.
pub(crate) fn routes() -> Router<Tracking> {
    Router::new()
        .route("/artifacts", get(list))
        .route("/artifacts/{*path}", get(download).put(upload).delete(remove))
        .route("/mpu/create/{*path}", post(no_multipart))
        .route("/mpu/complete/{*path}", post(no_multipart))
        .route("/mpu/abort/{*path}", post(no_multipart))
        .route("/presigned/{*path}", get(no_presigned))
}

/// `GET artifacts?path=`: what is in a folder; paths are relative to it.
async fn list(State(tracking): State<Tracking>, mut fields: Fields) -> Result<Json<Listing>> {
    let folder = ArtifactPath::parse(&fields.text("path")?.unwrap_or_default())?;
    let entries = tracking.artifacts().destination()?.list(&folder).await?;
    Ok(Json(Listing::new(None, entries)))
}

/// `GET artifacts/<path>`: downloads a file, or a range of it.
async fn download(State(tracking): State<Tracking>, uri: Uri, headers: HeaderMap) -> Result<Response> {
    serve(tracking.artifacts().destination()?.as_ref(), &file(&uri)?, &headers).await
}

/// `PUT artifacts/<path>`: stores the body as a file.
async fn upload(State(tracking): State<Tracking>, uri: Uri, headers: HeaderMap, body: Body) -> Result<StatusCode> {
    let path = file(&uri)?;
    let announced = headers.get(CONTENT_LENGTH).and_then(|it| it.to_str().ok()).and_then(|it| it.parse::<u64>().ok());
    if announced.is_some_and(|it| it > UPLOAD_BYTES_MAX) {
        return Err(Error::TooLarge(format!("artifact `{path}` is larger than {UPLOAD_BYTES_MAX} bytes")));
    }
    tracking.artifacts().destination()?.put(&path, bounded(body)).await?;
    Ok(StatusCode::OK)
}

/// `DELETE artifacts/<path>`: deletes a file or a folder with all in it.
async fn remove(State(tracking): State<Tracking>, uri: Uri) -> Result<Json<Empty>> {
    let path = ArtifactPath::parse(raw_path(&uri))?;
    tracking.artifacts().destination()?.delete(&path).await?;
    Ok(Json(Empty {}))
}

/// Only buckets take a file in parts; clients then send it whole.
async fn no_multipart() -> Error {
    Error::Unsupported("Multipart upload is not supported for the current artifact repository".to_owned())
}

/// Only buckets sign addresses; clients then download through this server.
async fn no_presigned() -> Error {
    Error::Unsupported("Presigned download is not supported for the current artifact repository".to_owned())
}

fn file(uri: &Uri) -> Result<ArtifactPath> {
    ArtifactPath::file(raw_path(uri))
}

/// The path as it came, still encoded, so that decoding and checking happen in one place.
fn raw_path(uri: &Uri) -> &str {
    uri.path().split_once("/artifacts/").map_or("", |(_, path)| path)
}

/// The body as a stream that fails, rather than fills the disk, when it does not end.
fn bounded(body: Body) -> ByteStream {
    let mut bytes_left = UPLOAD_BYTES_MAX;
    body.into_data_stream()
        .map(move |chunk| {
            let chunk = chunk.map_err(std::io::Error::other)?;
            bytes_left = bytes_left
                .checked_sub(chunk.len() as u64)
                .ok_or_else(|| std::io::Error::other(format!("it is larger than {UPLOAD_BYTES_MAX} bytes")))?;
            Ok(chunk)
        })
        .boxed()
}
