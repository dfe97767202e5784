//! Traces in MLflow's tables: recorded whole, put together from what clients send, searched, read, tagged, deleted.

mod assessments;
mod delete;
mod import;
mod ingest;
mod links;
mod metrics;
mod read;
mod record;
mod rows;
mod search;
mod start;
mod tags;

pub(crate) use ingest::SpanBatch;

use db::Tx;

use crate::{Error, Result, trace::TraceId};

/// Where files of a trace belong, below its experiment's artifacts.
fn artifact_location(experiment_location: &str, trace_id: &TraceId) -> String {
    super::locations::append_path(experiment_location, &["traces", trace_id.as_str(), "artifacts"])
}

/// The error for a trace that is not there.
fn no_trace(trace_id: &str) -> Error {
    Error::not_found(format!("Trace with ID '{trace_id}' not found."))
}

/// Fails where there is no such trace.
async fn check_exists(tx: &mut Tx, trace_id: &str) -> Result<()> {
    let found: Option<(i64,)> =
        tx.fetch_optional("SELECT 1 FROM trace_info WHERE request_id = ?", vec![trace_id.into()]).await?;
    found.map(|_| ()).ok_or_else(|| no_trace(trace_id))
}
