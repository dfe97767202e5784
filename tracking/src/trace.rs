//! Traces: what one request to a model or an application did, as a tree of spans.

pub(crate) mod content;
mod draft;
pub(crate) mod keys;
pub(crate) mod metrics;
pub(crate) mod payload;
pub(crate) mod preview;
pub(crate) mod semconv;
mod span;
pub(crate) mod text;
pub(crate) mod time;
mod usage;

use std::{
    collections::BTreeMap,
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

pub use draft::NewTrace;
pub use metrics::{Aggregation, DataPoint, MetricQuery, MetricView};
pub use span::{Span, SpanEvent, SpanId, SpanLink, SpanStatus};
pub use usage::{Cost, TokenUsage};
pub(crate) use usage::{Usages, aggregate};

use crate::{Error, Result, assessment::Assessment, experiment::ExperimentId};

/// The longest id that the database's columns take.
const ID_CHARS_MAX: usize = 50;

/// A trace's id: `tr-` and 32 hexadecimal digits, or what a client chose.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId(String);

impl TraceId {
    /// A new id: the milliseconds since 1970 in the first six bytes, chance in the other ten.
    ///
    /// Ids that grow with time are written at the end of every index, where random ones each change a page of their
    /// own. OpenTelemetry leaves the choice: it asks for chance in the last seven bytes alone.
    pub fn now() -> Self {
        let mut bytes: [u8; 16] = rand::random();
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let ms = u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX);
        bytes[..6].copy_from_slice(&ms.to_be_bytes()[2..]);
        Self::from_otel(bytes)
    }

    /// The id of the trace that OpenTelemetry knows by these bytes.
    pub fn from_otel(bytes: [u8; 16]) -> Self {
        Self(format!("tr-{:032x}", u128::from_be_bytes(bytes)))
    }

    /// Reads an id as a request writes it.
    pub fn parse(text: &str) -> Result<Self> {
        let is_plain = text.bytes().all(|it| it.is_ascii_graphic() && it != b'/' && it != b'\\');
        if text.is_empty() || text.len() > ID_CHARS_MAX || !is_plain {
            let shown: String = text.chars().take(100).collect();
            return Err(Error::invalid(format!(
                "Invalid trace ID '{shown}'. A trace ID has 1 to {ID_CHARS_MAX} printable ASCII characters without slashes."
            )));
        }
        Ok(Self(text.to_owned()))
    }

    /// The bytes by which OpenTelemetry knows the trace; none for an id that a client made up.
    pub fn otel_bytes(&self) -> Option<[u8; 16]> {
        let hex = self.0.strip_prefix("tr-").filter(|it| it.len() == 32)?;
        Some(u128::from_str_radix(hex, 16).ok()?.to_be_bytes())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a trace ended, if it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TraceState {
    /// Nobody said.
    #[default]
    Unspecified,
    /// Well.
    Ok,
    /// With an error.
    Error,
    /// It has not ended.
    InProgress,
}

impl TraceState {
    /// The names that requests and the database use.
    pub(crate) const CHOICES: &[(&str, Self)] = &[
        ("STATE_UNSPECIFIED", Self::Unspecified),
        ("OK", Self::Ok),
        ("ERROR", Self::Error),
        ("IN_PROGRESS", Self::InProgress),
    ];

    /// The state's name in the database and in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "STATE_UNSPECIFIED",
            Self::Ok => "OK",
            Self::Error => "ERROR",
            Self::InProgress => "IN_PROGRESS",
        }
    }

    pub(crate) fn from_name(name: &str) -> Self {
        Self::CHOICES.iter().find(|(known, _)| *known == name).map_or(Self::Unspecified, |(_, state)| *state)
    }
}

/// What is known of a trace without its spans.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceInfo {
    /// Its id.
    pub trace_id: TraceId,
    /// The experiment that it belongs to.
    pub experiment_id: ExperimentId,
    /// When it started (ms since 1970).
    pub request_time_ms: i64,
    /// How long it took.
    pub execution_duration_ms: Option<i64>,
    /// How it ended.
    pub state: TraceState,
    /// The caller's own id for it.
    pub client_request_id: Option<String>,
    /// The start of what went in.
    pub request_preview: Option<String>,
    /// The start of what came out.
    pub response_preview: Option<String>,
    /// What was found out while it ran; it does not change afterwards.
    pub metadata: BTreeMap<String, String>,
    /// What was attached to it.
    pub tags: BTreeMap<String, String>,
    /// What people and judges say about it.
    pub assessments: Vec<Assessment>,
}

/// A trace with its spans, the root first, then by start.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// What is known of it.
    pub info: TraceInfo,
    /// What it did.
    pub spans: Vec<Span>,
}

/// What a search for traces asks for.
#[derive(Clone, Debug)]
pub struct TraceSearch {
    /// The experiments to look in.
    pub experiment_ids: Vec<ExperimentId>,
    /// The filter, in MLflow's grammar; empty for all.
    pub filter: String,
    /// The order, one `key [ASC|DESC]` each; latest first when empty.
    pub order_by: Vec<String>,
    /// The page's size.
    pub max_results: i64,
    /// Which page, from the answer before.
    pub page_token: Option<String>,
}

/// How many traces meet one condition, another, both, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cooccurrence {
    /// Those that meet both.
    pub both: i64,
    /// Those that meet the first.
    pub first: i64,
    /// Those that meet the second.
    pub second: i64,
    /// All.
    pub all: i64,
}

/// Which traces of an experiment to delete: by age, or by id.
#[derive(Clone, Debug)]
pub enum TraceDeletion {
    /// Those that started at or before a time (ms since 1970), the oldest first, `max_traces` at most.
    UpTo {
        /// The latest start.
        max_timestamp_ms: i64,
        /// The most that are deleted.
        max_traces: Option<i64>,
    },
    /// Those with these ids.
    Ids(Vec<String>),
}
