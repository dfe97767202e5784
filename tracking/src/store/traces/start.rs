//! A trace's own fields as its maker sends them, before or after its spans.

use db::Tx;

use super::{
    artifact_location, assessments,
    rows::{self, IfThere, Pair, Pairs, TraceRow},
};
use crate::{
    Error, Result,
    store::{Store, experiments},
    trace::{TraceInfo, keys},
};

impl Store {
    /// Writes what is known of a trace; what its spans said before is completed, not lost.
    pub async fn start_trace(&self, info: TraceInfo) -> Result<TraceInfo> {
        let trace_id = info.trace_id.clone();
        let row = TraceRow::of(&info)?;
        let mut metadata = rows::metadata_pairs(&info)?;
        metadata.push(Pair::new(&trace_id, keys::FINALIZED, "true".to_owned())?);
        let tags = rows::tag_pairs(&info)?;
        for assessment in &info.assessments {
            assessment.check()?;
        }
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let location = experiments::active_location(tx, info.experiment_id).await?;
                    let mut tags = tags;
                    tags.push(Pair::new(
                        &info.trace_id,
                        keys::ARTIFACT_LOCATION,
                        artifact_location(&location, &info.trace_id),
                    )?);
                    match existing(tx, info.trace_id.as_str()).await? {
                        None => rows::insert_new_traces(tx, vec![row]).await?,
                        Some(old) => {
                            check_spans_here(tx, &[info.trace_id.as_str()]).await?;
                            follow(tx, &row).await?;
                            rows::replace_traces(tx, vec![merged(old, row, &info)]).await?;
                        }
                    }
                    rows::write_pairs(tx, Pairs::Tags, tags, IfThere::Replace).await?;
                    rows::write_pairs(tx, Pairs::Metadata, metadata, IfThere::Replace).await?;
                    assessments::insert(tx, &info).await
                })
            })
            .await?;
        self.trace_info(trace_id.as_str()).await
    }
}

async fn existing(tx: &mut Tx, trace_id: &str) -> Result<Option<TraceRow>> {
    let sql = format!("SELECT {} FROM trace_info WHERE request_id = ?{}", rows::COLUMNS, tx.for_update());
    Ok(tx.fetch_optional(sql, vec![trace_id.into()]).await?)
}

/// Spans and assessments keep a copy of their trace's experiment and time.
async fn follow(tx: &mut Tx, row: &TraceRow) -> Result<()> {
    let id = || row.request_id.as_str().into();
    tx.execute("UPDATE spans SET experiment_id = ? WHERE trace_id = ?", vec![row.experiment_id.into(), id()]).await?;
    tx.execute(
        "UPDATE assessments SET experiment_id = ?, trace_timestamp_ms = ? WHERE trace_id = ?",
        vec![row.experiment_id.into(), row.timestamp_ms.into(), id()],
    )
    .await?;
    Ok(())
}

/// The maker's own fields count; what it does not know stays as the spans said it.
fn merged(old: TraceRow, new: TraceRow, info: &TraceInfo) -> TraceRow {
    TraceRow {
        request_preview: new.request_preview.or(old.request_preview),
        response_preview: new.response_preview.or(old.response_preview),
        db_payload_generation: old.db_payload_generation + 1,
        trace_name: new.trace_name.or(old.trace_name),
        session_id: new.session_id.or(old.session_id),
        usage: if info.metadata.contains_key(keys::TOKEN_USAGE) { new.usage } else { old.usage },
        cost: if info.metadata.contains_key(keys::COST) { new.cost } else { old.cost },
        ..new
    }
}

/// Refuses to write spans of traces that an archive has taken out of the database.
pub(super) async fn check_spans_here(tx: &mut Tx, trace_ids: &[&str]) -> Result<()> {
    let (marks, mut args) = crate::store::in_list(trace_ids.iter().copied());
    let sql = format!(
        "SELECT request_id FROM trace_tags WHERE request_id IN ({marks}) AND \"key\" = ? AND value <> ? LIMIT 1"
    );
    args.extend([keys::SPANS_LOCATION.into(), keys::TRACKING_STORE.into()]);
    let elsewhere: Option<(String,)> = tx.fetch_optional(sql, args).await?;
    match elsewhere {
        None => Ok(()),
        Some((id,)) => Err(Error::InvalidState(format!("Cannot update traces that are no longer DB-backed: '{id}'."))),
    }
}
