//! Traces of a file store, as they were there: nothing is added, and their spans stay the artifact that they are.

use super::{
    assessments,
    rows::{self, IfThere, Pairs, TraceRow},
};
use crate::{
    Error, Result,
    experiment::ExperimentId,
    file_store::StoredTrace,
    store::{Imported, Store},
};

impl Store {
    /// Writes a trace of a file store into an experiment; one that is there already stays as it is.
    pub async fn import_trace(&self, experiment_id: ExperimentId, trace: StoredTrace) -> Result<Imported> {
        let mut info = trace.0;
        info.experiment_id = experiment_id;
        let row = TraceRow::of(&info)?;
        let metadata = rows::metadata_pairs(&info)?;
        let tags = rows::tag_pairs(&info)?;
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let found: Option<(i64,)> = tx
                        .fetch_optional(
                            "SELECT experiment_id FROM trace_info WHERE request_id = ?",
                            vec![info.trace_id.as_str().into()],
                        )
                        .await?;
                    if found.is_some() {
                        return Ok(Imported::AlreadyThere);
                    }
                    rows::insert_traces(tx, vec![row]).await?;
                    rows::write_pairs(tx, Pairs::Tags, tags, IfThere::Replace).await?;
                    rows::write_pairs(tx, Pairs::Metadata, metadata, IfThere::Replace).await?;
                    assessments::insert(tx, &info).await?;
                    Ok::<_, Error>(Imported::New)
                })
            })
            .await
    }
}
