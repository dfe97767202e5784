//! A finished trace on its way into the store.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Span, SpanStatus, TraceId, TraceInfo, TraceState, keys};
use crate::experiment::ExperimentId;

/// Nanoseconds in a millisecond.
const MS_NS: i64 = 1_000_000;

/// A finished trace to record; see [`crate::Store::record_traces`].
///
/// Its times, its state, its name, its previews and its token usage are those of the spans; the builder's methods add
/// what spans do not know.
#[derive(Clone, Debug)]
pub struct NewTrace {
    pub(crate) info: TraceInfo,
    pub(crate) spans: Vec<Span>,
    pub(crate) asked: Option<Bytes>,
    pub(crate) answered: Option<Bytes>,
}

impl NewTrace {
    /// The trace of `root` in an experiment.
    pub fn new(experiment_id: ExperimentId, root: Span) -> Self {
        let duration_ms = root.end_ns.map(|end| end.saturating_sub(root.start_ns) / MS_NS);
        let state = match (&root.status, root.end_ns) {
            (SpanStatus::Error(_), _) => TraceState::Error,
            (_, None) => TraceState::InProgress,
            (_, Some(_)) => TraceState::Ok,
        };
        let info = TraceInfo {
            trace_id: root.trace_id.clone(),
            experiment_id,
            request_time_ms: root.start_ns.div_euclid(MS_NS),
            execution_duration_ms: duration_ms,
            state,
            client_request_id: None,
            request_preview: None,
            response_preview: None,
            metadata: BTreeMap::new(),
            tags: BTreeMap::new(),
            assessments: Vec::new(),
        };
        let name = root.name.clone();
        Self { info, spans: vec![root], asked: None, answered: None }.tag(keys::TRACE_NAME, name)
    }

    /// The trace's id.
    pub fn trace_id(&self) -> &TraceId {
        &self.info.trace_id
    }

    /// Sets what went into the root span, as JSON that need not be read; what is no JSON is shown as a text.
    #[must_use]
    pub fn asked(mut self, json: Bytes) -> Self {
        self.asked = Some(json);
        self
    }

    /// Sets what came out of the root span, as JSON that need not be read; what is no JSON is shown as a text.
    #[must_use]
    pub fn answered(mut self, json: Bytes) -> Self {
        self.answered = Some(json);
        self
    }

    /// Adds a span; it becomes one of this trace whatever trace it was made for.
    #[must_use]
    pub fn span(mut self, span: Span) -> Self {
        self.spans.push(Span { trace_id: self.info.trace_id.clone(), ..span });
        self
    }

    /// Attaches a tag.
    #[must_use]
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.info.tags.insert(key.into(), value.into());
        self
    }

    /// Adds a fact that does not change any more.
    #[must_use]
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.info.metadata.insert(key.into(), value.into());
        self
    }

    /// Says which conversation the trace belongs to.
    #[must_use]
    pub fn session(self, session: impl Into<String>) -> Self {
        self.metadata(keys::SESSION, session)
    }

    /// Says whose request it was.
    #[must_use]
    pub fn user(self, user: impl Into<String>) -> Self {
        self.metadata(keys::USER, user)
    }

    /// Says which run the trace was made in.
    #[must_use]
    pub fn source_run(self, run_id: impl Into<String>) -> Self {
        self.metadata(keys::SOURCE_RUN, run_id)
    }

    /// Sets the caller's own id for the request.
    #[must_use]
    pub fn client_request_id(mut self, id: impl Into<String>) -> Self {
        self.info.client_request_id = Some(id.into());
        self
    }
}
