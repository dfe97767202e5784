//! Reading traces: a fixed number of statements however many there are.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use super::{
    assessments, no_trace,
    rows::{self, PROMOTED, Pairs, TraceRow},
};
use crate::{
    Error, Result,
    experiment::ExperimentId,
    store::{Store, in_list},
    trace::{Span, Trace, TraceId, TraceInfo, content, keys},
};

/// How long a complete trace is waited for after each look: its spans and its info come in separate requests.
const EXPORT_WAITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];

impl Store {
    /// What is known of the trace with this id, without its spans.
    pub async fn trace_info(&self, trace_id: &str) -> Result<TraceInfo> {
        let infos = self.trace_infos(&[trace_id.to_owned()], None).await?;
        infos.into_iter().next().ok_or_else(|| no_trace(trace_id))
    }

    /// What is known of the traces with these ids, in their order; those that are not there are left out.
    ///
    /// `experiment_ids` keeps only the traces of these experiments.
    pub async fn trace_infos(
        &self,
        trace_ids: &[String],
        experiment_ids: Option<&[ExperimentId]>,
    ) -> Result<Vec<TraceInfo>> {
        let (marks, mut args) = in_list(trace_ids.iter().map(String::as_str));
        let only = experiment_ids.map_or_else(String::new, |ids| {
            let (marks, ids) = in_list(ids.iter().map(|it| it.0));
            args.extend(ids);
            format!(" AND experiment_id IN ({marks})")
        });
        let sql = format!("SELECT {} FROM trace_info WHERE request_id IN ({marks}){only}", rows::COLUMNS);
        let mut found: Vec<TraceRow> = self.db.fetch_all(sql, args).await?;
        let places: HashMap<&str, usize> = trace_ids.iter().map(String::as_str).zip(0..).collect();
        found.sort_by_key(|row| places.get(row.request_id.as_str()).copied());
        self.with_details(found).await
    }

    /// The trace with this id, with the spans that are there so far.
    pub async fn trace(&self, trace_id: &TraceId) -> Result<Trace> {
        let info = self.trace_info(trace_id.as_str()).await?;
        let mut spans = self.spans(std::slice::from_ref(&info)).await?;
        Ok(Trace { spans: spans.remove(info.trace_id.as_str()).unwrap_or_default(), info })
    }

    /// The trace with this id with all of its spans; one that is still on its way is waited for a little.
    pub async fn complete_trace(&self, trace_id: &TraceId) -> Result<Trace> {
        for wait in EXPORT_WAITS.into_iter().map(Some).chain([None]) {
            let trace = self.trace(trace_id).await?;
            if is_complete(&trace) {
                return Ok(trace);
            }
            if let Some(wait) = wait {
                tokio::time::sleep(wait).await;
            }
        }
        Err(Error::not_found(format!("Trace with ID {trace_id} is not fully exported yet, please try again later.")))
    }

    /// The complete traces among these ids, in their order.
    pub async fn complete_traces(
        &self,
        trace_ids: &[String],
        experiment_ids: Option<&[ExperimentId]>,
    ) -> Result<Vec<Trace>> {
        let infos = self.trace_infos(trace_ids, experiment_ids).await?;
        let mut spans = self.spans(&infos).await?;
        let traces = infos.into_iter().map(|info| {
            let spans = spans.remove(info.trace_id.as_str()).unwrap_or_default();
            Trace { info, spans }
        });
        Ok(traces.filter(is_complete).collect())
    }

    /// The spans of traces by the traces' ids: the root first, then by start.
    async fn spans(&self, infos: &[TraceInfo]) -> Result<HashMap<String, Vec<Span>>> {
        if let [only] = infos
            && !has_spans_here(only)
        {
            return Err(Error::InvalidState(format!(
                "Trace data not stored in tracking store: the spans of {} are in traces.json at {}; download it from there",
                only.trace_id,
                only.tags.get(keys::ARTIFACT_LOCATION).map_or("an unknown place", String::as_str),
            )));
        }
        let (marks, args) = in_list(infos.iter().filter(|it| has_spans_here(it)).map(|it| it.trace_id.as_str()));
        let sql = format!(
            "SELECT trace_id, content FROM spans WHERE trace_id IN ({marks}) AND content <> '' \
             ORDER BY trace_id, CASE WHEN parent_span_id IS NULL THEN 0 ELSE 1 END, start_time_unix_nano, span_id"
        );
        let rows: Vec<(String, String)> = self.db.fetch_all(sql, args).await?;
        let mut spans: HashMap<String, Vec<Span>> = HashMap::with_capacity(infos.len());
        for (trace_id, content) in rows {
            let span = content::read(&TraceId::parse(&trace_id)?, &content)?;
            spans.entry(trace_id).or_default().push(span);
        }
        Ok(spans)
    }

    /// Adds tags, metadata and assessments to rows.
    pub(super) async fn with_details(&self, found: Vec<TraceRow>) -> Result<Vec<TraceInfo>> {
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<&str> = found.iter().map(|it| it.request_id.as_str()).collect();
        let mut tags = self.pairs(Pairs::Tags, &ids).await?;
        let mut metadata = self.pairs(Pairs::Metadata, &ids).await?;
        let mut assessed = assessments::of_traces(&self.db, &ids).await?;
        let info = |row: TraceRow| {
            let id = row.request_id.clone();
            let mut pairs = metadata.remove(&id).unwrap_or_default();
            pairs.retain(|key, _| !PROMOTED.contains(&key.as_str()));
            let mut info = row.into_info(tags.remove(&id).unwrap_or_default(), pairs)?;
            info.assessments = assessed.remove(&id).unwrap_or_default();
            Ok(info)
        };
        found.into_iter().map(info).collect()
    }

    async fn pairs(&self, pairs: Pairs, ids: &[&str]) -> Result<HashMap<String, BTreeMap<String, String>>> {
        let (marks, args) = in_list(ids.iter().copied());
        let sql = format!("SELECT request_id, \"key\", value FROM {} WHERE request_id IN ({marks})", pairs.table());
        let rows: Vec<(String, String, Option<String>)> = self.db.fetch_all(sql, args).await?;
        let mut by_id: HashMap<String, BTreeMap<String, String>> = HashMap::with_capacity(ids.len());
        for (id, key, value) in rows {
            by_id.entry(id).or_default().insert(key, value.unwrap_or_default());
        }
        Ok(by_id)
    }
}

fn has_spans_here(info: &TraceInfo) -> bool {
    info.tags.get(keys::SPANS_LOCATION).is_some_and(|it| it == keys::TRACKING_STORE)
}

/// Whether as many spans are there as the trace's maker counted.
fn is_complete(trace: &Trace) -> bool {
    let stats = trace.info.metadata.get(keys::SIZE_STATS);
    let counted = stats.and_then(|it| serde_json::from_str::<serde_json::Value>(it).ok());
    let counted = counted.and_then(|it| usize::try_from(it["num_spans"].as_u64()?).ok()).unwrap_or(1);
    trace.spans.len() >= counted.max(1)
}
