//! `POST /v1/traces`: spans of any OpenTelemetry exporter, into an experiment that a header names.

use std::{collections::BTreeSet, io::Read as _};

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest as _, Request, State},
    http::{
        HeaderMap, StatusCode,
        header::{CONTENT_ENCODING, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use flate2::read::{DeflateDecoder, GzDecoder, ZlibDecoder};
use serde_json::{Value, json};

use crate::{
    Error, Tracking,
    experiment::ExperimentId,
    http::MAX_BODY_BYTES,
    otlp::{self, Encoding, Export, Refusal},
    store::traces::SpanBatch,
};

/// The experiment that new traces belong to.
const EXPERIMENT_HEADER: &str = "x-mlflow-experiment-id";

/// The run that new traces are linked to.
const RUN_HEADER: &str = "x-mlflow-run-id";

/// The largest body after decompression: what an uncompressed one may have, so that nothing is gained by packing.
const UNPACKED_BYTES_MAX: u64 = MAX_BODY_BYTES as u64;

/// Spans at most in one export: their traces are looked up in one statement, which has a limit of values.
const SPANS_MAX: usize = 16_384;

const PROTOBUF: &str = "application/x-protobuf";

/// Why a request is refused: in the shape of this route, which is not that of MLflow's other ones.
enum Refused {
    Detail(StatusCode, Value),
    Domain(Error),
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Detail(status, detail) => (status, Json(json!({"detail": detail}))).into_response(),
            Self::Domain(error) => error.into_response(),
        }
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Domain(error)
    }
}

fn bad(detail: impl Into<String>) -> Refused {
    Refused::Detail(StatusCode::BAD_REQUEST, detail.into().into())
}

/// Answers with an empty `ExportTraceServiceResponse`, which is no bytes at all: all spans were taken.
pub(super) async fn export(State(tracking): State<Tracking>, request: Request) -> Response {
    match take(&tracking, request).await {
        Ok(()) => (StatusCode::OK, [(CONTENT_TYPE, PROTOBUF)]).into_response(),
        Err(refused) => refused.into_response(),
    }
}

async fn take(tracking: &Tracking, request: Request) -> Result<(), Refused> {
    let headers = request.headers().clone();
    let Some(experiment_id) = text(&headers, EXPERIMENT_HEADER) else {
        let missing =
            json!([{"type": "missing", "loc": ["header", EXPERIMENT_HEADER], "msg": "Field required", "input": null}]);
        return Err(Refused::Detail(StatusCode::UNPROCESSABLE_ENTITY, missing));
    };
    let experiment_id = ExperimentId::parse(experiment_id)?;
    let encoding = encoding(&headers)?;
    let body = Bytes::from_request(request, &()).await.map_err(|rejection| {
        let what = format!("{}; at most {MAX_BODY_BYTES} bytes are taken", rejection.body_text());
        Refused::Detail(rejection.status(), what.into())
    })?;
    let packing = text(&headers, CONTENT_ENCODING.as_str()).unwrap_or_default().to_ascii_lowercase();
    // Unpacking and reading are work of milliseconds for the largest bodies.
    let export = tokio::task::spawn_blocking(move || read(&body, &packing, encoding))
        .await
        .map_err(|error| Error::internal("reading spans", error))??;
    if export.spans.len() > SPANS_MAX {
        let what =
            format!("{} spans in one export; at most {SPANS_MAX} are taken, send smaller batches", export.spans.len());
        return Err(Refused::Detail(StatusCode::PAYLOAD_TOO_LARGE, what.into()));
    }
    let finished: BTreeSet<String> =
        export.spans.iter().filter(|it| it.parent_id.is_none()).map(|it| it.trace_id.to_string()).collect();
    let batch = SpanBatch { experiment_id, spans: export.spans, resources: export.resources };
    tracking.store().log_spans(batch).await?;
    if let Some(run_id) = text(&headers, RUN_HEADER).filter(|_| !finished.is_empty()) {
        // The spans are kept already; exporters would send them again if this were an error.
        if let Err(error) = tracking.store().link_traces_to_run(finished.into_iter().collect(), run_id).await {
            tracing::warn!(run_id, %error, "traces were not linked to their run");
        }
    }
    Ok(())
}

fn read(body: &[u8], packing: &str, encoding: Encoding) -> Result<Export, Refused> {
    let body = unpack(body, packing)?;
    otlp::read(&body, encoding).map_err(|refusal| match refusal {
        Refusal::Unreadable(why) => bad(format!("Invalid OpenTelemetry format: {why}")),
        Refusal::NoSpans => bad("Invalid OpenTelemetry format - no spans found"),
        Refusal::BrokenSpan(why) => Refused::Detail(
            StatusCode::UNPROCESSABLE_ENTITY,
            format!("Cannot convert OpenTelemetry span to MLflow span: {why}").into(),
        ),
    })
}

fn encoding(headers: &HeaderMap) -> Result<Encoding, Refused> {
    let given = text(headers, CONTENT_TYPE.as_str());
    match given.map(|it| it.split(';').next().unwrap_or_default().trim()) {
        Some(PROTOBUF) => Ok(Encoding::Protobuf),
        Some("application/json") => Ok(Encoding::Json),
        _ => Err(bad(format!(
            "Invalid Content-Type: {}. Expected: {PROTOBUF} or application/json",
            given.unwrap_or("None")
        ))),
    }
}

/// The body as it was before it was packed.
fn unpack(body: &[u8], packing: &str) -> Result<Vec<u8>, Refused> {
    match packing {
        "" | "identity" => Ok(body.to_vec()),
        "gzip" => {
            unpacked(GzDecoder::new(body)).map_err(|why| bad(format!("Failed to decompress gzip payload: {why}")))
        }
        // Some clients leave out the zlib header that the name stands for.
        "deflate" => unpacked(ZlibDecoder::new(body))
            .or_else(|_| unpacked(DeflateDecoder::new(body)))
            .map_err(|why| bad(format!("Failed to decompress deflate payload: {why}"))),
        other => Err(bad(format!("Unsupported Content-Encoding: {other}. Send gzip, deflate or nothing"))),
    }
}

fn unpacked(reader: impl std::io::Read) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    reader.take(UNPACKED_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > UNPACKED_BYTES_MAX {
        return Err(format!("it has more than {UNPACKED_BYTES_MAX} bytes when unpacked"));
    }
    Ok(bytes)
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|it| it.to_str().ok()).filter(|it| !it.is_empty())
}
