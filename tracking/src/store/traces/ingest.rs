//! Spans as exporters send them: in any order, of several traces at once, before or after their traces' own fields.

use std::collections::{BTreeMap, HashMap, HashSet};

use db::Tx;
use serde_json::Value as Json;

use super::{
    artifact_location,
    rows::{self, IfThere, Pair, Pairs, SpanRow, TraceRow},
    start::check_spans_here,
};
use crate::{
    Result,
    experiment::ExperimentId,
    store::{Store, experiments, in_list},
    trace::{
        Span, SpanStatus, TraceId, TraceState, Usages, aggregate, content, keys,
        preview::{Speaker, preview},
        semconv,
        text::python_json,
    },
    validate::{KEY_CHARS_MAX, check_name},
};

/// Nanoseconds in a millisecond.
const MS_NS: i64 = 1_000_000;

/// Spans that arrived together.
#[derive(Debug)]
pub(crate) struct SpanBatch {
    /// Where traces belong that nobody knows yet.
    pub(crate) experiment_id: ExperimentId,
    pub(crate) spans: Vec<Span>,
    /// What is known of the program that made a trace.
    pub(crate) resources: HashMap<TraceId, serde_json::Map<String, Json>>,
}

impl Store {
    /// Writes spans, all or none, and completes their traces by what they say.
    pub(crate) async fn log_spans(&self, batch: SpanBatch) -> Result<()> {
        if batch.spans.is_empty() {
            return Ok(());
        }
        let experiment_id = batch.experiment_id;
        let arrived = arrived(batch)?;
        self.db.write(move |tx| Box::pin(write(tx, experiment_id, arrived))).await
    }
}

/// The spans of one trace in a batch, and what they say of it.
#[derive(Clone)]
struct Arrived {
    trace_id: TraceId,
    spans: Vec<SpanRow>,
    start_ms: i64,
    end_ms: Option<i64>,
    /// How the trace ended, once its root span has.
    state: Option<TraceState>,
    request_preview: Option<String>,
    response_preview: Option<String>,
    usages: Vec<Usages>,
    session_id: Option<String>,
    user: Option<String>,
    trace_name: Option<String>,
    tags: Vec<Pair>,
}

fn arrived(mut batch: SpanBatch) -> Result<Vec<Arrived>> {
    let mut by_trace: BTreeMap<TraceId, Vec<Span>> = BTreeMap::new();
    for mut span in batch.spans {
        semconv::translate(&mut span);
        by_trace.entry(span.trace_id.clone()).or_default().push(span);
    }
    let trace = |(trace_id, spans): (TraceId, Vec<Span>)| {
        let resource = batch.resources.remove(&trace_id).unwrap_or_default();
        Arrived::of(trace_id, &spans, &resource, batch.experiment_id)
    };
    by_trace.into_iter().map(trace).collect()
}

impl Arrived {
    fn of(
        trace_id: TraceId,
        spans: &[Span],
        resource: &serde_json::Map<String, Json>,
        experiment_id: ExperimentId,
    ) -> Result<Self> {
        let root = spans.iter().find(|it| it.parent_id.is_none());
        let state = root.filter(|it| it.end_ns.is_some()).map(|it| match it.status {
            SpanStatus::Error(_) => TraceState::Error,
            SpanStatus::Ok | SpanStatus::Unset => TraceState::Ok,
        });
        let show = |key, speaker| root.and_then(|it| it.attributes.get(key)).map(|it| preview(it, speaker));
        let first_text = |wanted: &[&str]| {
            let mut found = spans.iter().flat_map(|span| wanted.iter().filter_map(|key| span.attributes.get(*key)));
            found.next().map(as_text)
        };
        let session_id = first_text(&[keys::OTEL_SESSION, keys::OTEL_CONVERSATION]);
        let root_tags = root
            .into_iter()
            .flat_map(|it| &it.attributes)
            .filter_map(|(key, value)| Some((key.strip_prefix(keys::TRACE_TAG_PREFIX)?.to_owned(), as_text(value))));
        let mut root_tags: Vec<(String, String)> = root_tags.filter(|(key, _)| is_tag_key(key)).collect();
        let trace_name = root_tags.extract_if(.., |(key, _)| key == keys::TRACE_NAME).map(|(_, name)| name).last();
        // The SDK's own facts are noise, and MLflow's tags are not for a resource to set.
        let facts = resource
            .iter()
            .filter(|(key, _)| !key.starts_with("telemetry.sdk.") && !key.starts_with("mlflow.") && is_tag_key(key));
        let facts = facts.map(|(key, value)| (key.clone(), as_text(value)));
        let place = (keys::SPANS_LOCATION.to_owned(), keys::TRACKING_STORE.to_owned());
        let tags = facts.chain(root_tags).filter(|(key, _)| key != keys::SPANS_LOCATION).chain([place]);
        Ok(Self {
            tags: tags.map(|(key, value)| Pair::new(&trace_id, &key, value)).collect::<Result<_>>()?,
            spans: spans.iter().map(|it| SpanRow::of(it, experiment_id)).collect(),
            start_ms: spans.iter().map(|it| it.start_ns).min().unwrap_or_default().div_euclid(MS_NS),
            end_ms: spans.iter().filter_map(|it| it.end_ns).max().map(|it| it.div_euclid(MS_NS)),
            state,
            request_preview: show(keys::INPUTS, Speaker::User),
            response_preview: show(keys::OUTPUTS, Speaker::Assistant),
            usages: spans.iter().map(Usages::of).collect(),
            session_id,
            user: first_text(&[keys::OTEL_USER]),
            trace_name,
            trace_id,
        })
    }

    /// The row of a trace that nobody knew before.
    fn new_row(&self, experiment_id: ExperimentId) -> TraceRow {
        let (usage, cost) = aggregate(&self.usages);
        TraceRow {
            request_id: self.trace_id.to_string(),
            experiment_id: experiment_id.0,
            timestamp_ms: self.start_ms,
            execution_time_ms: self.end_ms.map(|end| end - self.start_ms),
            status: self.state.unwrap_or(TraceState::InProgress).name().to_owned(),
            client_request_id: None,
            request_preview: self.request_preview.clone(),
            response_preview: self.response_preview.clone(),
            db_payload_generation: 1,
            trace_name: self.trace_name.clone(),
            session_id: self.session_id.clone(),
            usage: usage.unwrap_or_default(),
            cost: cost.unwrap_or_default(),
        }
    }

    /// Completes the row of a trace by these spans; `stored` are its spans of earlier batches.
    fn complete(&self, row: &mut TraceRow, is_finalized: bool, stored: Vec<Usages>) {
        if !is_finalized {
            let ended = row.execution_time_ms.map(|it| row.timestamp_ms.saturating_add(it));
            row.timestamp_ms = row.timestamp_ms.min(self.start_ms);
            if let Some(end_ms) = self.end_ms {
                row.execution_time_ms =
                    Some(ended.map_or(end_ms, |it| it.max(end_ms)).saturating_sub(row.timestamp_ms));
            }
        }
        let is_open = [TraceState::InProgress, TraceState::Unspecified].iter().any(|it| it.name() == row.status);
        if let Some(state) = self.state.filter(|_| is_open) {
            state.name().clone_into(&mut row.status);
        }
        let keep = |old: &mut Option<String>, new: &Option<String>| {
            if old.is_none() {
                old.clone_from(new);
            }
        };
        keep(&mut row.request_preview, &self.request_preview);
        keep(&mut row.response_preview, &self.response_preview);
        keep(&mut row.session_id, &self.session_id);
        if self.trace_name.is_some() {
            row.trace_name.clone_from(&self.trace_name);
        }
        row.db_payload_generation += 1;
        // What the trace's maker said of tokens and cost is not added to.
        let (usage, cost) = aggregate(&[stored, self.usages.clone()].concat());
        let has_own = |key: fn(&Usages) -> bool| self.usages.iter().any(key);
        if has_own(|it| it.usage.is_some()) && (!is_finalized || row.usage.is_empty()) {
            row.usage = usage.unwrap_or_default();
        }
        if has_own(|it| it.cost.is_some()) && (!is_finalized || row.cost.is_empty()) {
            row.cost = cost.unwrap_or_default();
        }
    }
}

async fn write(tx: &mut Tx, experiment_id: ExperimentId, arrived: Vec<Arrived>) -> Result<()> {
    let ids: Vec<&str> = arrived.iter().map(|it| it.trace_id.as_str()).collect();
    check_spans_here(tx, &ids).await?;
    let mut known = known_traces(tx, &ids).await?;
    let finalized = finalized(tx, &ids).await?;
    let mut stored = stored_usages(tx, &arrived, &known).await?;
    let location = if known.len() < arrived.len() {
        experiments::active_location(tx, experiment_id).await?
    } else {
        String::new()
    };
    let (mut traces, mut new_traces) = (Vec::new(), Vec::new());
    let (mut spans, mut tags, mut users) = (Vec::new(), Vec::new(), Vec::new());
    for it in arrived {
        let id = it.trace_id.as_str();
        let row = if let Some(mut row) = known.remove(id) {
            it.complete(&mut row, finalized.contains(id), stored.remove(id).unwrap_or_default());
            traces.push(row);
            traces.last()
        } else {
            let place = artifact_location(&location, &it.trace_id);
            tags.push(Pair::new(&it.trace_id, keys::ARTIFACT_LOCATION, place)?);
            new_traces.push(it.new_row(experiment_id));
            new_traces.last()
        };
        let experiment_id = row.map_or(experiment_id.0, |row| row.experiment_id);
        if let Some(user) = it.user {
            users.push(Pair::new(&it.trace_id, keys::USER, user)?);
        }
        tags.extend(it.tags);
        spans.extend(it.spans.into_iter().map(|span| SpanRow { experiment_id, ..span }));
    }
    rows::insert_new_traces(tx, new_traces).await?;
    rows::replace_traces(tx, traces).await?;
    rows::write_spans(tx, spans).await?;
    rows::write_pairs(tx, Pairs::Tags, tags, IfThere::Replace).await?;
    rows::write_pairs(tx, Pairs::Metadata, users, IfThere::Keep).await
}

async fn known_traces(tx: &mut Tx, ids: &[&str]) -> Result<HashMap<String, TraceRow>> {
    let (marks, args) = in_list(ids.iter().copied());
    let order = "ORDER BY request_id";
    let sql =
        format!("SELECT {} FROM trace_info WHERE request_id IN ({marks}) {order}{}", rows::COLUMNS, tx.for_update());
    let found: Vec<TraceRow> = tx.fetch_all(sql, args).await?;
    Ok(found.into_iter().map(|it| (it.request_id.clone(), it)).collect())
}

/// The traces whose own fields their maker has sent already.
async fn finalized(tx: &mut Tx, ids: &[&str]) -> Result<HashSet<String>> {
    let (marks, mut args) = in_list(ids.iter().copied());
    let sql = format!("SELECT request_id FROM trace_request_metadata WHERE request_id IN ({marks}) AND \"key\" = ?");
    args.push(keys::FINALIZED.into());
    let found: Vec<(String,)> = tx.fetch_all(sql, args).await?;
    Ok(found.into_iter().map(|(id,)| id).collect())
}

/// What spans of earlier batches say of tokens and cost, for the traces whose sums change.
async fn stored_usages(
    tx: &mut Tx,
    arrived: &[Arrived],
    known: &HashMap<String, TraceRow>,
) -> Result<HashMap<String, Vec<Usages>>> {
    let speaks = |it: &Usages| it.usage.is_some() || it.cost.is_some();
    let changing = arrived.iter().filter(|it| known.contains_key(it.trace_id.as_str()) && it.usages.iter().any(speaks));
    let changing: HashMap<&str, &Arrived> = changing.map(|it| (it.trace_id.as_str(), it)).collect();
    if changing.is_empty() {
        return Ok(HashMap::new());
    }
    let (marks, args) = in_list(changing.keys().copied());
    let sql = format!("SELECT trace_id, content FROM spans WHERE trace_id IN ({marks}) AND content <> ''");
    let rows: Vec<(String, String)> = tx.fetch_all(sql, args).await?;
    let mut stored: HashMap<String, Vec<Usages>> = HashMap::new();
    for (trace_id, content) in rows {
        let Some(arrived) = changing.get(trace_id.as_str()) else { continue };
        let usages = Usages::of(&content::read(&arrived.trace_id, &content)?);
        // A span that came again counts as it is now.
        if arrived.usages.iter().all(|it| it.span_id != usages.span_id) {
            stored.entry(trace_id).or_default().push(usages);
        }
    }
    Ok(stored)
}

fn as_text(value: &Json) -> String {
    if let Json::String(text) = value { text.clone() } else { python_json(value) }
}

/// Whether a name that came from outside can be a tag's; others are left out, since the spans still carry them.
fn is_tag_key(key: &str) -> bool {
    key.len() <= KEY_CHARS_MAX && check_name("key", key).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Cost, TokenUsage};

    fn arrived_of(spans: &[Span]) -> Arrived {
        Arrived::of(spans[0].trace_id.clone(), spans, &serde_json::Map::new(), ExperimentId(1)).unwrap()
    }

    #[test]
    fn later_spans_complete_what_earlier_ones_said() {
        let trace_id = TraceId::now();
        let root = Span::root(trace_id, "root", 10_000_000, 50_000_000).inputs("q");
        let early = Span::child_of(&root, "early", 12_000_000, 20_000_000).token_usage(&TokenUsage::new(3, 1));
        let late = Span::child_of(&root, "late", 20_000_000, 90_000_000).token_usage(&TokenUsage::new(4, 1));
        let first = arrived_of(std::slice::from_ref(&early));
        let mut row = first.new_row(ExperimentId(1));
        assert_eq!((row.status.as_str(), row.timestamp_ms, row.execution_time_ms), ("IN_PROGRESS", 12, Some(8)));
        let second = arrived_of(&[root, late]);
        second.complete(&mut row, false, vec![Usages::of(&early)]);
        assert_eq!((row.status.as_str(), row.timestamp_ms, row.execution_time_ms), ("OK", 10, Some(80)));
        assert_eq!(row.usage, TokenUsage::new(7, 2));
        assert_eq!(row.cost, Cost::default());
        assert_eq!(row.request_preview.as_deref(), Some("\"q\""));
    }

    #[test]
    fn what_the_maker_said_stays() {
        let root = Span::root(TraceId::now(), "root", 10_000_000, 50_000_000).token_usage(&TokenUsage::new(4, 1));
        let arrived = arrived_of(&[root]);
        let mut row = TraceRow {
            timestamp_ms: 5,
            execution_time_ms: Some(1),
            status: "ERROR".to_owned(),
            usage: TokenUsage::new(1, 1),
            ..arrived.new_row(ExperimentId(1))
        };
        arrived.complete(&mut row, true, Vec::new());
        assert_eq!((row.status.as_str(), row.timestamp_ms, row.execution_time_ms), ("ERROR", 5, Some(1)));
        assert_eq!(row.usage, TokenUsage::new(1, 1));
    }
}
