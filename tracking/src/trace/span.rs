//! One step of a trace.

use std::fmt;

use serde_json::{Map, Value};

use super::{Cost, TokenUsage, TraceId, keys};

/// A span's id: eight bytes, written as 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpanId(pub [u8; 8]);

impl SpanId {
    /// A new random id.
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// Reads 16 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let is_hex = text.len() == 16 && text.bytes().all(|it| it.is_ascii_hexdigit());
        is_hex.then(|| u64::from_str_radix(text, 16).ok().map(|it| Self(it.to_be_bytes()))).flatten()
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

/// How a span ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SpanStatus {
    /// Nobody said.
    #[default]
    Unset,
    /// Well.
    Ok,
    /// With an error, in these words.
    Error(String),
}

impl SpanStatus {
    /// The name in the table's column, as filters write it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Unset => "UNSET",
            Self::Ok => "OK",
            Self::Error(_) => "ERROR",
        }
    }

    /// The name in OpenTelemetry's JSON.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Unset => "STATUS_CODE_UNSET",
            Self::Ok => "STATUS_CODE_OK",
            Self::Error(_) => "STATUS_CODE_ERROR",
        }
    }

    /// The words of an error.
    pub(crate) fn message(&self) -> &str {
        if let Self::Error(message) = self { message } else { "" }
    }

    pub(crate) fn from_code(code: &str, message: &str) -> Self {
        match code {
            "STATUS_CODE_OK" | "OK" => Self::Ok,
            "STATUS_CODE_ERROR" | "ERROR" => Self::Error(message.to_owned()),
            _ => Self::Unset,
        }
    }
}

/// Something that happened at one moment of a span.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanEvent {
    /// What happened, e.g. `exception`.
    pub name: String,
    /// When (ns since 1970).
    pub time_ns: i64,
    /// The details.
    pub attributes: Map<String, Value>,
}

/// A relation to a span of another trace.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanLink {
    /// The other trace's id.
    pub trace_id: String,
    /// The other span's id, as hexadecimal digits.
    pub span_id: String,
    /// The details.
    pub attributes: Map<String, Value>,
}

/// One step of a trace: a call of a model, a tool, a function.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// The trace that it belongs to.
    pub trace_id: TraceId,
    /// Its id, unique in the trace.
    pub span_id: SpanId,
    /// The step that this is a part of; none for the root.
    pub parent_id: Option<SpanId>,
    /// Its name.
    pub name: String,
    /// When it started (ns since 1970).
    pub start_ns: i64,
    /// When it ended (ns since 1970); none while it runs.
    pub end_ns: Option<i64>,
    /// How it ended.
    pub status: SpanStatus,
    /// All that is known of it, by MLflow's and OpenTelemetry's names.
    pub attributes: Map<String, Value>,
    /// What happened on the way.
    pub events: Vec<SpanEvent>,
    /// Relations to other traces.
    pub links: Vec<SpanLink>,
}

impl Span {
    /// The root span of a finished trace.
    pub fn root(trace_id: TraceId, name: impl Into<String>, start_ns: i64, end_ns: i64) -> Self {
        Self {
            trace_id,
            span_id: SpanId::random(),
            parent_id: None,
            name: name.into(),
            start_ns,
            end_ns: Some(end_ns.max(start_ns)),
            status: SpanStatus::Ok,
            attributes: Map::new(),
            events: Vec::new(),
            links: Vec::new(),
        }
    }

    /// A finished part of `parent`.
    pub fn child_of(parent: &Self, name: impl Into<String>, start_ns: i64, end_ns: i64) -> Self {
        Self { parent_id: Some(parent.span_id), ..Self::root(parent.trace_id.clone(), name, start_ns, end_ns) }
    }

    /// Sets what kind of step it is: `CHAT_MODEL`, `EMBEDDING`, `LLM`, `CHAIN`, `TOOL`…
    #[must_use]
    pub fn kind(self, kind: &str) -> Self {
        self.attribute(keys::SPAN_TYPE, kind)
    }

    /// Sets what went in.
    #[must_use]
    pub fn inputs(self, inputs: impl Into<Value>) -> Self {
        self.attribute(keys::INPUTS, inputs)
    }

    /// Sets what came out.
    #[must_use]
    pub fn outputs(self, outputs: impl Into<Value>) -> Self {
        self.attribute(keys::OUTPUTS, outputs)
    }

    /// Sets the tokens that it used; those of its parts are taken to be among them.
    #[must_use]
    pub fn token_usage(self, usage: &TokenUsage) -> Self {
        self.attribute(keys::CHAT_USAGE, usage.to_value())
    }

    /// Sets what it cost; that of its parts is taken to be in it.
    #[must_use]
    pub fn cost(self, cost: &Cost) -> Self {
        self.attribute(keys::LLM_COST, cost.to_value())
    }

    /// Sets the model that it called and who serves it.
    #[must_use]
    pub fn model(self, model: &str, provider: &str) -> Self {
        self.attribute(keys::MODEL, model).attribute(keys::MODEL_PROVIDER, provider)
    }

    /// Sets any other attribute.
    #[must_use]
    pub fn attribute(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.attributes.insert(key.to_owned(), value.into());
        self
    }

    /// Says that it ended with an error.
    #[must_use]
    pub fn failed(mut self, message: impl Into<String>) -> Self {
        self.status = SpanStatus::Error(message.into());
        self
    }

    /// What kind of step it is.
    pub(crate) fn kind_name(&self) -> Option<&str> {
        self.text_attribute(keys::SPAN_TYPE)
    }

    /// An attribute that is a text.
    pub(crate) fn text_attribute(&self, key: &str) -> Option<&str> {
        self.attributes.get(key).and_then(Value::as_str)
    }
}
