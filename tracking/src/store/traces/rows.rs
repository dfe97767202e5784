//! The rows of a trace, and how they are written many at a time.

use std::collections::BTreeMap;

use db::{OnConflict, Tx, Value};
use serde_json::Value as Json;

use crate::{
    Result,
    experiment::ExperimentId,
    trace::{Cost, Span, TokenUsage, TraceId, TraceInfo, TraceState, content, keys, text::python_json},
    validate::{KEY_CHARS_MAX, TAG_VALUE_CHARS_MAX, check_length, truncate},
};

/// Characters at most in a trace's name.
const NAME_CHARS_MAX: usize = 4096;
/// Characters at most in the name of a conversation.
const SESSION_CHARS_MAX: usize = 250;
/// Characters of a model's or a provider's name that are kept.
const MODEL_CHARS_MAX: usize = 500;

/// Metadata that has columns of its own and so no rows.
pub(super) const PROMOTED: [&str; 3] = [keys::SESSION, keys::TOKEN_USAGE, keys::COST];

/// The columns of [`TraceRow`], in the order of its values.
pub(super) const COLUMNS: &str = "trace_info.request_id, trace_info.experiment_id, trace_info.timestamp_ms, \
    trace_info.execution_time_ms, trace_info.status, trace_info.client_request_id, trace_info.request_preview, \
    trace_info.response_preview, trace_info.db_payload_generation, trace_info.trace_name, trace_info.session_id, \
    trace_info.input_tokens, trace_info.output_tokens, trace_info.total_tokens, trace_info.cache_read_input_tokens, \
    trace_info.cache_creation_input_tokens, trace_info.cache_creation_input_tokens_above_1hr, trace_info.input_cost, \
    trace_info.output_cost, trace_info.total_cost";

/// A row of `trace_info`.
#[derive(Clone, Debug)]
pub(super) struct TraceRow {
    pub(super) request_id: String,
    pub(super) experiment_id: i64,
    pub(super) timestamp_ms: i64,
    pub(super) execution_time_ms: Option<i64>,
    pub(super) status: String,
    pub(super) client_request_id: Option<String>,
    pub(super) request_preview: Option<String>,
    pub(super) response_preview: Option<String>,
    /// Counts the writes of spans; an archive compares it.
    pub(super) db_payload_generation: i64,
    pub(super) trace_name: Option<String>,
    pub(super) session_id: Option<String>,
    pub(super) usage: TokenUsage,
    pub(super) cost: Cost,
}

db::record!(TraceRow {
    request_id, experiment_id, timestamp_ms, execution_time_ms, status, client_request_id, request_preview,
    response_preview, db_payload_generation, trace_name, session_id,
} with { usage, cost });

impl TraceRow {
    /// The row of a trace as its maker describes it.
    pub(super) fn of(info: &TraceInfo) -> Result<Self> {
        let trace_name = info.tags.get(keys::TRACE_NAME).cloned();
        if let Some(name) = &trace_name {
            check_length("Trace name", NAME_CHARS_MAX, name)?;
        }
        let session_id = info.metadata.get(keys::SESSION).cloned();
        if let Some(session) = &session_id {
            check_length("Session ID", SESSION_CHARS_MAX, session)?;
        }
        let promoted = |key: &str| info.metadata.get(key).map(|text| Json::String(text.clone()));
        Ok(Self {
            request_id: info.trace_id.to_string(),
            experiment_id: info.experiment_id.0,
            timestamp_ms: info.request_time_ms,
            execution_time_ms: info.execution_duration_ms,
            status: info.state.name().to_owned(),
            client_request_id: info.client_request_id.clone(),
            request_preview: info.request_preview.clone(),
            response_preview: info.response_preview.clone(),
            db_payload_generation: 0,
            trace_name,
            session_id,
            usage: promoted(keys::TOKEN_USAGE).and_then(|it| TokenUsage::from_value(&it)).unwrap_or_default(),
            cost: promoted(keys::COST).and_then(|it| Cost::from_value(&it)).unwrap_or_default(),
        })
    }

    /// The trace, with the columns that stand for metadata and tags back among them.
    pub(super) fn into_info(
        self,
        mut tags: BTreeMap<String, String>,
        mut metadata: BTreeMap<String, String>,
    ) -> Result<TraceInfo> {
        tags.extend(self.trace_name.map(|it| (keys::TRACE_NAME.to_owned(), it)));
        metadata.extend(self.session_id.map(|it| (keys::SESSION.to_owned(), it)));
        if !self.usage.is_empty() {
            metadata.insert(keys::TOKEN_USAGE.to_owned(), python_json(&self.usage.to_value()));
        }
        if !self.cost.is_empty() {
            metadata.insert(keys::COST.to_owned(), python_json(&self.cost.to_value()));
        }
        Ok(TraceInfo {
            trace_id: TraceId::parse(&self.request_id)?,
            experiment_id: ExperimentId(self.experiment_id),
            request_time_ms: self.timestamp_ms,
            execution_duration_ms: self.execution_time_ms,
            state: TraceState::from_name(&self.status),
            client_request_id: self.client_request_id,
            request_preview: self.request_preview,
            response_preview: self.response_preview,
            metadata,
            tags,
            assessments: Vec::new(),
        })
    }

    fn values(self) -> impl Iterator<Item = Value> {
        let counts = self.usage.fields().map(|(_, count)| count.into());
        let amounts = self.cost.fields().map(|(_, amount)| amount.into());
        let own: [Value; 11] = [
            self.request_id.into(),
            self.experiment_id.into(),
            self.timestamp_ms.into(),
            self.execution_time_ms.into(),
            self.status.into(),
            self.client_request_id.into(),
            self.request_preview.into(),
            self.response_preview.into(),
            self.db_payload_generation.into(),
            self.trace_name.into(),
            self.session_id.into(),
        ];
        own.into_iter().chain(counts).chain(amounts)
    }
}

/// The columns without their table, for inserts.
fn bare_columns() -> Vec<&'static str> {
    COLUMNS.split(", ").map(|column| column.trim_start_matches("trace_info.")).collect()
}

/// Inserts new traces.
pub(super) async fn insert_traces(tx: &mut Tx, rows: Vec<TraceRow>) -> Result<()> {
    write_traces(tx, rows, OnConflict::Error).await?;
    Ok(())
}

/// Inserts traces that were not there when the transaction looked; where another one has made one of them since, this
/// one runs again and completes it.
pub(super) async fn insert_new_traces(tx: &mut Tx, rows: Vec<TraceRow>) -> Result<()> {
    let new = rows.len() as u64;
    if write_traces(tx, rows, OnConflict::Ignore).await? < new { Err(tx.run_again().into()) } else { Ok(()) }
}

/// Writes traces in place of what is there.
pub(super) async fn replace_traces(tx: &mut Tx, rows: Vec<TraceRow>) -> Result<()> {
    let columns = bare_columns();
    write_traces(tx, rows, OnConflict::Update { key: &columns[..1], columns: &columns[1..] }).await?;
    Ok(())
}

async fn write_traces(tx: &mut Tx, rows: Vec<TraceRow>, on_conflict: OnConflict<'_>) -> Result<u64> {
    let values = rows.into_iter().flat_map(TraceRow::values).collect();
    Ok(tx.insert_rows("trace_info", &bare_columns(), on_conflict, values).await?)
}

/// A key and a value of a trace.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) trace_id: String,
    pub(super) key: String,
    pub(super) value: String,
}

impl Pair {
    /// A pair within the columns' limits: too long a key is refused, too long a value is cut, as in MLflow.
    pub(super) fn new(trace_id: &TraceId, key: &str, value: String) -> Result<Self> {
        check_length("key", KEY_CHARS_MAX, key)?;
        Ok(Self { trace_id: trace_id.to_string(), key: key.to_owned(), value: truncate(value, TAG_VALUE_CHARS_MAX) })
    }
}

/// Which of the two tables of keys and values.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pairs {
    Tags,
    Metadata,
}

impl Pairs {
    pub(super) fn table(self) -> &'static str {
        match self {
            Self::Tags => "trace_tags",
            Self::Metadata => "trace_request_metadata",
        }
    }
}

/// What happens to a pair whose key is there already.
#[derive(Clone, Copy, Debug)]
pub(super) enum IfThere {
    Replace,
    Keep,
    /// It cannot be: the trace is new. SQLite inserts for two thirds of what it asks for where it must be able to update.
    Refuse,
}

/// Writes tags or metadata. Of several pairs with one key the last one counts.
pub(super) async fn write_pairs(tx: &mut Tx, pairs: Pairs, rows: Vec<Pair>, if_there: IfThere) -> Result<()> {
    let last: BTreeMap<(String, String), String> =
        rows.into_iter().map(|it| ((it.trace_id, it.key), it.value)).collect();
    let values = last.into_iter().flat_map(|((trace_id, key), value)| [key.into(), trace_id.into(), value.into()]);
    let on_conflict = match if_there {
        IfThere::Replace => OnConflict::Update { key: &["key", "request_id"], columns: &["value"] },
        IfThere::Keep => OnConflict::Ignore,
        IfThere::Refuse => OnConflict::Error,
    };
    tx.insert_rows(pairs.table(), &["key", "request_id", "value"], on_conflict, values.collect()).await?;
    Ok(())
}

/// The columns of [`SpanRow`], in the order of its values.
const SPAN_COLUMNS: [&str; 15] = [
    "trace_id",
    "experiment_id",
    "span_id",
    "parent_span_id",
    "name",
    "type",
    "status",
    "start_time_unix_nano",
    "end_time_unix_nano",
    "content",
    "input_cost",
    "output_cost",
    "total_cost",
    "model_name",
    "model_provider",
];

/// A row of `spans`, made before the transaction so that it only has to be bound there.
#[derive(Clone, Debug)]
pub(super) struct SpanRow {
    pub(super) trace_id: String,
    /// Known once the trace is found, which may be in another experiment than the one that the client named.
    pub(super) experiment_id: i64,
    pub(super) values: Vec<Value>,
}

impl SpanRow {
    pub(super) fn of(span: &Span, experiment_id: ExperimentId) -> Self {
        Self::with_texts(span, experiment_id, &[])
    }

    /// The row of a span that has more attributes, whose values are texts already.
    pub(super) fn with_texts(span: &Span, experiment_id: ExperimentId, texts: &[(&str, &str)]) -> Self {
        let content = content::write_with(span, texts);
        let cost = span.attributes.get(keys::LLM_COST).and_then(Cost::from_value).unwrap_or_default();
        let name = |key: &str| span.text_attribute(key).map(|it| truncate(it.to_owned(), MODEL_CHARS_MAX));
        let kind = span.kind_name().map(|it| truncate(it.to_owned(), MODEL_CHARS_MAX));
        Self {
            trace_id: span.trace_id.to_string(),
            experiment_id: experiment_id.0,
            values: vec![
                span.span_id.to_string().into(),
                span.parent_id.map(|it| it.to_string()).into(),
                span.name.as_str().into(),
                kind.into(),
                span.status.name().into(),
                span.start_ns.into(),
                span.end_ns.into(),
                content.into(),
                cost.input_cost.into(),
                cost.output_cost.into(),
                cost.total_cost.into(),
                name(keys::MODEL).into(),
                name(keys::MODEL_PROVIDER).into(),
            ],
        }
    }
}

/// Writes spans; one that is there already is replaced, since exporters send again what they are not sure of.
pub(super) async fn write_spans(tx: &mut Tx, rows: Vec<SpanRow>) -> Result<()> {
    let key = ["trace_id", "span_id"];
    let columns: Vec<&str> = SPAN_COLUMNS.into_iter().filter(|it| !key.contains(it)).collect();
    put_spans(tx, rows, OnConflict::Update { key: &key, columns: &columns }).await
}

/// Inserts the spans of new traces.
pub(super) async fn insert_spans(tx: &mut Tx, rows: Vec<SpanRow>) -> Result<()> {
    put_spans(tx, rows, OnConflict::Error).await
}

async fn put_spans(tx: &mut Tx, rows: Vec<SpanRow>, on_conflict: OnConflict<'_>) -> Result<()> {
    let values =
        rows.into_iter().flat_map(|row| [row.trace_id.into(), row.experiment_id.into()].into_iter().chain(row.values));
    tx.insert_rows("spans", &SPAN_COLUMNS, on_conflict, values.collect()).await?;
    Ok(())
}

/// The rows of metadata that have no column of their own.
pub(super) fn metadata_pairs(info: &TraceInfo) -> Result<Vec<Pair>> {
    let kept = info.metadata.iter().filter(|(key, _)| !PROMOTED.contains(&key.as_str()));
    kept.map(|(key, value)| Pair::new(&info.trace_id, key, value.clone())).collect()
}

/// The rows of tags that have no column of their own.
pub(super) fn tag_pairs(info: &TraceInfo) -> Result<Vec<Pair>> {
    let kept = info.tags.iter().filter(|(key, _)| *key != keys::TRACE_NAME);
    kept.map(|(key, value)| Pair::new(&info.trace_id, key, value.clone())).collect()
}
