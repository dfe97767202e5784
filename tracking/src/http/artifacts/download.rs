//! One artifact as an HTTP answer: streamed, in ranges, cached by its entity tag, and never run by a browser.

use axum::{
    body::Body,
    http::{
        HeaderMap, HeaderValue, Response as HttpResponse, StatusCode,
        header::{
            ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY,
            CONTENT_TYPE, ETAG, IF_NONE_MATCH, IF_RANGE, RANGE, X_CONTENT_TYPE_OPTIONS,
        },
    },
    response::Response,
};

use super::{
    headers::{content_disposition, media_type},
    range::{self, Selection},
};
use crate::{
    Error, Result,
    artifacts::{ArtifactMeta, ArtifactPath, ArtifactStore},
};

/// Whoever can log an artifact chooses its content, so a browser that opens one gets no scripts and no origin.
const NO_SCRIPTS: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/// Answers with the file at `path`, or with the part of it that `headers` ask for.
pub(crate) async fn serve(store: &dyn ArtifactStore, path: &ArtifactPath, headers: &HeaderMap) -> Result<Response> {
    let meta = store.head(path).await?;
    let etag = format!("\"{}\"", meta.etag);
    if knows(headers, &etag) {
        return finish(HttpResponse::builder().status(StatusCode::NOT_MODIFIED).header(ETAG, etag).body(Body::empty()));
    }
    let answer = HttpResponse::builder()
        .header(CONTENT_TYPE, media_type(path.name()))
        .header(CONTENT_DISPOSITION, content_disposition(path.name()))
        .header(X_CONTENT_TYPE_OPTIONS, "nosniff")
        .header(CONTENT_SECURITY_POLICY, NO_SCRIPTS)
        .header(CACHE_CONTROL, "no-cache")
        .header(ACCEPT_RANGES, "bytes")
        .header(ETAG, &etag);
    let selected = match selection(headers, &etag, meta.size) {
        Selection::Whole => 0..meta.size,
        Selection::Part(part) => part,
        Selection::Nothing => {
            let answer = answer.status(StatusCode::RANGE_NOT_SATISFIABLE);
            return finish(answer.header(CONTENT_RANGE, format!("bytes */{}", meta.size)).body(Body::empty()));
        }
    };
    let answer = match part_header(&selected, &meta) {
        Some(part) => answer.status(StatusCode::PARTIAL_CONTENT).header(CONTENT_RANGE, part),
        None => answer,
    };
    let bytes = store.get(path, &meta, selected.clone()).await?;
    finish(answer.header(CONTENT_LENGTH, selected.end - selected.start).body(Body::from_stream(bytes)))
}

/// Whether the client holds this version already.
fn knows(headers: &HeaderMap, etag: &str) -> bool {
    let held = headers.get(IF_NONE_MATCH).and_then(|it| it.to_str().ok()).unwrap_or_default();
    held.split(',').map(|it| it.trim().trim_start_matches("W/")).any(|it| it == etag || it == "*")
}

/// The part that was asked for, unless `If-Range` names another version.
fn selection(headers: &HeaderMap, etag: &str, size: u64) -> Selection {
    let same_version = headers.get(IF_RANGE).is_none_or(|it| it.as_bytes() == etag.as_bytes());
    match headers.get(RANGE).map(HeaderValue::to_str) {
        Some(Ok(range)) if same_version => range::select(range, size),
        _ => Selection::Whole,
    }
}

fn part_header(selected: &std::ops::Range<u64>, meta: &ArtifactMeta) -> Option<String> {
    let is_whole = selected.start == 0 && selected.end == meta.size;
    (!is_whole).then(|| format!("bytes {}-{}/{}", selected.start, selected.end - 1, meta.size))
}

fn finish(answer: Result<HttpResponse<Body>, axum::http::Error>) -> Result<Response> {
    answer.map_err(|error| Error::internal("answering with an artifact", error))
}
