//! `mlflow-artifacts`: clients put, get, list and delete files of the artifact destination through this server.

use axum::{
    Json, Router,
    body::Body,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri, header::CONTENT_LENGTH},
    response::Response,
    routing::get,
};
use futures::StreamExt as _;

use super::{Listing, multipart, presigned, serve};
use crate::{
    Error, Result, Tracking,
    artifacts::{ArtifactPath, ByteStream, Upload},
    http::{extract::Fields, json::Empty},
};

/// The largest file: far above any model, so that only a client that never stops meets it.
const UPLOAD_BYTES_MAX: u64 = 1 << 40;

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
    let path = file(&uri)?;
    let announced = headers.get(CONTENT_LENGTH).and_then(|it| it.to_str().ok()).and_then(|it| it.parse::<u64>().ok());
    if announced.is_some_and(|it| it > UPLOAD_BYTES_MAX) {
        return Err(Error::TooLarge(format!("artifact `{path}` is larger than {UPLOAD_BYTES_MAX} bytes")));
    }
    let upload = Upload { body: bounded(body), size: announced };
    tracking.artifacts().destination()?.put(&path, upload).await?;
    Ok(StatusCode::OK)
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
