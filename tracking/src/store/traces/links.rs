//! Which runs a trace belongs to besides the one that it was made in.

use std::collections::HashSet;

use db::OnConflict;

use crate::{
    Error, Result,
    store::{Store, in_list, new_id, now_ms},
};

/// The columns of a link.
const COLUMNS: [&str; 6] =
    ["association_id", "source_type", "source_id", "destination_type", "destination_id", "created_time"];

/// Traces at most in one request.
const LINKS_MAX: usize = 100;

impl Store {
    /// Links versions of prompts (`name/version`) to a trace; a link that is there already stays.
    pub async fn link_prompts_to_trace(&self, trace_id: &str, prompts: Vec<String>) -> Result<()> {
        if prompts.is_empty() {
            return Ok(());
        }
        let trace_id = trace_id.to_owned();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    super::check_exists(tx, &trace_id).await?;
                    let (marks, mut args) = in_list(prompts.iter().map(String::as_str));
                    let sql = format!(
                        "SELECT destination_id FROM entity_associations WHERE source_type = 'trace' \
                         AND destination_type = 'prompt_version' AND destination_id IN ({marks}) AND source_id = ?"
                    );
                    args.push(trace_id.as_str().into());
                    let linked: Vec<(String,)> = tx.fetch_all(sql, args).await?;
                    let mut linked: HashSet<String> = linked.into_iter().map(|(id,)| id).collect();
                    let new = prompts.into_iter().filter(|id| linked.insert(id.clone()));
                    let values = new
                        .flat_map(|id| {
                            let trace = trace_id.as_str().into();
                            [
                                new_id().into(),
                                "trace".into(),
                                trace,
                                "prompt_version".into(),
                                id.into(),
                                now_ms().into(),
                            ]
                        })
                        .collect();
                    tx.insert_rows("entity_associations", &COLUMNS, OnConflict::Error, values).await?;
                    Ok(())
                })
            })
            .await
    }

    /// Links traces to a run, so that the run's page shows them; a link that is there already stays.
    pub async fn link_traces_to_run(&self, trace_ids: Vec<String>, run_id: &str) -> Result<()> {
        if trace_ids.len() > LINKS_MAX {
            return Err(Error::invalid(format!(
                "Cannot link more than {LINKS_MAX} traces to a run in a single request. Provided {} traces.",
                trace_ids.len()
            )));
        }
        let run = self.run_info(run_id).await?.run_id;
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let (marks, mut args) = in_list(trace_ids.iter().map(String::as_str));
                    let sql = format!(
                        "SELECT source_id FROM entity_associations WHERE source_type = 'trace' \
                         AND source_id IN ({marks}) AND destination_type = 'run' AND destination_id = ?"
                    );
                    args.push(run.as_str().into());
                    let linked: Vec<(String,)> = tx.fetch_all(sql, args).await?;
                    let mut linked: HashSet<String> = linked.into_iter().map(|(id,)| id).collect();
                    let new = trace_ids.into_iter().filter(|id| linked.insert(id.clone()));
                    let values = new
                        .flat_map(|id| {
                            let run = run.as_str().into();
                            [new_id().into(), "trace".into(), id.into(), "run".into(), run, now_ms().into()]
                        })
                        .collect();
                    tx.insert_rows("entity_associations", &COLUMNS, OnConflict::Error, values).await?;
                    Ok(())
                })
            })
            .await
    }
}
