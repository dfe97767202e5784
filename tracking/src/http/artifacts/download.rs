//! One artifact as an HTTP answer: streamed, in ranges, cached by its entity tag, and never run by a browser.

use axum::{
    body::Body,
    http::{
        HeaderMap, HeaderValue, Method, Response as HttpResponse, StatusCode,
        header::{
            ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY,
            CONTENT_TYPE, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, RANGE,
            X_CONTENT_TYPE_OPTIONS,
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
pub(crate) async fn serve(
    store: &dyn ArtifactStore,
    path: &ArtifactPath,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response> {
    let meta = store.head(path).await?;
    let version = Version { etag: format!("\"{}\"", meta.etag), modified: httpdate::fmt_http_date(meta.modified) };
    let answer = HttpResponse::builder().header(ETAG, &version.etag).header(LAST_MODIFIED, &version.modified);
    if version.is_known(headers) {
        return finish(answer.status(StatusCode::NOT_MODIFIED).body(Body::empty()));
    }
    let answer = answer
        .header(CONTENT_TYPE, media_type(path.name()))
        .header(CONTENT_DISPOSITION, content_disposition(path.name()))
        .header(X_CONTENT_TYPE_OPTIONS, "nosniff")
        .header(CONTENT_SECURITY_POLICY, NO_SCRIPTS)
        .header(CACHE_CONTROL, "no-cache")
        .header(ACCEPT_RANGES, "bytes");
    let selected = match version.selection(headers, meta.size) {
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
    let answer = answer.header(CONTENT_LENGTH, selected.end - selected.start);
    if method == Method::HEAD {
        return finish(answer.body(Body::empty()));
    }
    finish(answer.body(Body::from_stream(store.get(path, &meta, selected).await?)))
}

/// What tells versions of a file apart, as headers say it.
struct Version {
    etag: String,
    modified: String,
}

impl Version {
    /// Whether the client holds this version already.
    fn is_known(&self, headers: &HeaderMap) -> bool {
        if let Some(held) = headers.get(IF_NONE_MATCH) {
            let held = held.to_str().unwrap_or_default();
            return held.split(',').map(|it| it.trim().trim_start_matches("W/")).any(|it| it == self.etag || it == "*");
        }
        let date = |text: &str| httpdate::parse_http_date(text).ok();
        let since = headers.get(IF_MODIFIED_SINCE).and_then(|it| date(it.to_str().ok()?));
        since.is_some_and(|since| date(&self.modified).is_some_and(|modified| modified <= since))
    }

    /// The part that was asked for, unless `If-Range` names another version.
    fn selection(&self, headers: &HeaderMap, size: u64) -> Selection {
        let is_this =
            |it: &HeaderValue| it.as_bytes() == self.etag.as_bytes() || it.as_bytes() == self.modified.as_bytes();
        match headers.get(RANGE).map(HeaderValue::to_str) {
            Some(Ok(range)) if headers.get(IF_RANGE).is_none_or(is_this) => range::select(range, size),
            _ => Selection::Whole,
        }
    }
}

fn part_header(selected: &std::ops::Range<u64>, meta: &ArtifactMeta) -> Option<String> {
    let is_whole = selected.start == 0 && selected.end == meta.size;
    (!is_whole).then(|| format!("bytes {}-{}/{}", selected.start, selected.end - 1, meta.size))
}

fn finish(answer: Result<HttpResponse<Body>, axum::http::Error>) -> Result<Response> {
    answer.map_err(|error| Error::internal("answering with an artifact", error))
}
