//! Recording finished traces, many in one transaction.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    artifact_location,
    rows::{self, IfThere, Pair, Pairs, SpanRow, TraceRow},
};
use crate::{
    Error, Result,
    experiment::ExperimentId,
    store::{Store, experiments, in_list},
    trace::{
        NewTrace, Usages, aggregate, keys,
        payload::{preview_of, python_style},
        preview::{Speaker, preview},
    },
};
use db::Tx;

impl Store {
    /// Records finished traces: all of them in one transaction, with a few statements however many they are.
    ///
    /// They come whole, so that none of the marks is kept by which MLflow tells how much of a trace has come: each would
    /// be one more row with three entries in indexes.
    ///
    /// ```
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let db = db::Db::open(&format!("sqlite:///{}/t.db", folder.path().display())).await?;
    /// # let options = tracking::ArtifactOptions::resolve(None, Some(folder.path().display().to_string()), true);
    /// # let tracking = tracking::Tracking::open(db, options).await?;
    /// use serde_json::json;
    /// use tracking::{experiment::ExperimentId, trace::{NewTrace, Span, TokenUsage, TraceId}};
    ///
    /// let (start_ns, end_ns) = (1_700_000_000_000_000_000, 1_700_000_001_500_000_000);
    /// let root = Span::root(TraceId::now(), "chat", start_ns, end_ns)
    ///     .kind("CHAT_MODEL")
    ///     .inputs(json!({"messages": [{"role": "user", "content": "hi"}]}))
    ///     .outputs(json!({"choices": [{"message": {"role": "assistant", "content": "hello"}}]}))
    ///     .token_usage(&TokenUsage::new(12, 3))
    ///     .model("smollm2", "local");
    /// let trace = NewTrace::new(ExperimentId::DEFAULT, root).tag("endpoint", "chat");
    /// let id = trace.trace_id().clone();
    /// tracking.store().record_traces(vec![trace]).await?;
    ///
    /// let trace = tracking.store().trace(&id).await?;
    /// assert_eq!(trace.info.execution_duration_ms, Some(1500));
    /// assert_eq!(trace.info.request_preview.as_deref(), Some("hi"));
    /// assert_eq!(trace.spans[0].attributes["mlflow.chat.tokenUsage"]["total_tokens"], 15);
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
    /// ```
    pub async fn record_traces(&self, traces: Vec<NewTrace>) -> Result<()> {
        if traces.is_empty() {
            return Ok(());
        }
        // Rendering spans takes most of the time, and the writer must not wait for it.
        let prepared = traces.into_iter().map(Prepared::of).collect::<Result<Vec<_>>>()?;
        self.db.write(move |tx| Box::pin(write(tx, prepared))).await
    }
}

/// One trace as rows.
#[derive(Clone)]
struct Prepared {
    trace: TraceRow,
    trace_id: crate::trace::TraceId,
    tags: Vec<Pair>,
    metadata: Vec<Pair>,
    spans: Vec<SpanRow>,
}

impl Prepared {
    fn of(NewTrace { mut info, spans, asked, answered }: NewTrace) -> Result<Self> {
        info.tags.insert(keys::SPANS_LOCATION.to_owned(), keys::TRACKING_STORE.to_owned());
        let asked = asked.map(|it| python_style(&it));
        let answered = answered.map(|it| python_style(&it));
        let texts = [(keys::INPUTS, asked.as_deref()), (keys::OUTPUTS, answered.as_deref())];
        let texts: Vec<(&str, &str)> = texts.into_iter().filter_map(|(key, text)| Some((key, text?))).collect();
        let span_rows = spans.iter().enumerate().map(|(place, span)| {
            // The root comes first.
            SpanRow::with_texts(span, info.experiment_id, if place == 0 { &texts } else { &[] })
        });
        let span_rows = span_rows.collect();
        let root = &spans[0].attributes;
        let show = |text: &Option<String>, key, speaker| match text {
            Some(text) => Some(preview_of(text, speaker)),
            None => root.get(key).map(|value| preview(value, speaker)),
        };
        info.request_preview = info.request_preview.or_else(|| show(&asked, keys::INPUTS, Speaker::User));
        info.response_preview = info.response_preview.or_else(|| show(&answered, keys::OUTPUTS, Speaker::Assistant));
        let mut trace = TraceRow::of(&info)?;
        let (usage, cost) = aggregate(&spans.iter().map(Usages::of).collect::<Vec<_>>());
        if trace.usage.is_empty() {
            trace.usage = usage.unwrap_or_default();
        }
        if trace.cost.is_empty() {
            trace.cost = cost.unwrap_or_default();
        }
        trace.db_payload_generation = 1;
        Ok(Self {
            tags: rows::tag_pairs(&info)?,
            metadata: rows::metadata_pairs(&info)?,
            trace_id: info.trace_id,
            trace,
            spans: span_rows,
        })
    }
}

async fn write(tx: &mut Tx, prepared: Vec<Prepared>) -> Result<()> {
    let experiments: BTreeSet<i64> = prepared.iter().map(|it| it.trace.experiment_id).collect();
    let locations = locations(tx, &experiments).await?;
    let (mut traces, mut tags, mut metadata, mut spans) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for it in prepared {
        let location = locations.get(&it.trace.experiment_id).map(String::as_str).unwrap_or_default();
        tags.push(Pair::new(&it.trace_id, keys::ARTIFACT_LOCATION, artifact_location(location, &it.trace_id))?);
        tags.extend(it.tags);
        metadata.extend(it.metadata);
        spans.extend(it.spans);
        traces.push(it.trace);
    }
    rows::insert_traces(tx, traces).await?;
    rows::write_pairs(tx, Pairs::Tags, tags, IfThere::Refuse).await?;
    rows::write_pairs(tx, Pairs::Metadata, metadata, IfThere::Refuse).await?;
    rows::insert_spans(tx, spans).await
}

/// Where the experiments keep their artifacts; one that is missing or in the bin takes no traces.
async fn locations(tx: &mut Tx, ids: &BTreeSet<i64>) -> Result<BTreeMap<i64, String>> {
    let (marks, args) = in_list(ids.iter().copied());
    let sql = format!(
        "SELECT experiment_id, artifact_location, lifecycle_stage FROM experiments WHERE experiment_id IN ({marks})"
    );
    let found: Vec<(i64, Option<String>, Option<String>)> = tx.fetch_all(sql, args).await?;
    if let Some((id, _, stage)) = found.iter().find(|(_, _, stage)| stage.as_deref() != Some("active")) {
        return Err(Error::invalid(format!(
            "The experiment {id} must be in the 'active' state. Current state is {}.",
            stage.as_deref().unwrap_or("deleted")
        )));
    }
    let locations: BTreeMap<i64, String> =
        found.into_iter().map(|(id, location, _)| (id, location.unwrap_or_default())).collect();
    match ids.iter().find(|id| !locations.contains_key(id)) {
        Some(missing) => Err(experiments::no_experiment(ExperimentId(*missing))),
        None => Ok(locations),
    }
}
