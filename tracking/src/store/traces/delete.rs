//! Deleting traces; their spans, tags, metadata and assessments go with them by their foreign keys.

use crate::{
    Error, Result,
    experiment::ExperimentId,
    store::{Store, in_list},
    trace::TraceDeletion,
};

impl Store {
    /// Deletes traces of an experiment and gives their number.
    pub async fn delete_traces(&self, experiment_id: ExperimentId, which: TraceDeletion) -> Result<u64> {
        let (chosen, args) = match which {
            TraceDeletion::Ids(ids) if ids.is_empty() => {
                return Err(Error::invalid(
                    "Either `max_timestamp_millis` or `trace_ids` must be specified, but not both.",
                ));
            }
            TraceDeletion::Ids(ids) if ids.len() > DELETE_CHUNK => {
                return Err(Error::invalid(format!(
                    "At most {DELETE_CHUNK} traces can be deleted by id at once. Got {}.",
                    ids.len()
                )));
            }
            TraceDeletion::Ids(ids) => {
                let (marks, ids) = in_list(ids);
                let args = [vec![experiment_id.0.into()], ids].concat();
                (format!("experiment_id = ? AND request_id IN ({marks})"), args)
            }
            TraceDeletion::UpTo { max_timestamp_ms, max_traces } => {
                if max_traces.is_some_and(|it| it <= 0) {
                    return Err(Error::invalid(
                        "`max_traces` must be a positive integer, received a value of 0 or less.",
                    ));
                }
                let chosen = "experiment_id = ? AND timestamp_ms <= ? ORDER BY timestamp_ms, request_id LIMIT ?";
                let args = vec![experiment_id.0.into(), max_timestamp_ms.into(), max_traces.unwrap_or(i64::MAX).into()];
                (chosen.to_owned(), args)
            }
        };
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let sql = format!("SELECT request_id FROM trace_info WHERE {chosen}");
                    let ids: Vec<(String,)> = tx.fetch_all(sql, args).await?;
                    if ids.is_empty() {
                        return Ok(0);
                    }
                    // Review queues hold ids without a foreign key.
                    for chunk in ids.chunks(DELETE_CHUNK) {
                        let (marks, args) = in_list(chunk.iter().map(|(id,)| id.as_str()));
                        let sql = format!(
                            "DELETE FROM review_queue_items WHERE item_type = 'trace' AND item_id IN ({marks})"
                        );
                        tx.execute(sql, args.clone()).await?;
                        tx.execute(format!("DELETE FROM trace_info WHERE request_id IN ({marks})"), args).await?;
                    }
                    Ok(ids.len() as u64)
                })
            })
            .await
    }
}

/// Traces in one statement, below the database's limit of bound values.
const DELETE_CHUNK: usize = 16_384;
