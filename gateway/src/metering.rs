//! What a call was and cost: the record of it, and the meter that writes the record when the call ends.

pub(crate) mod assembly;
pub(crate) mod facts;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use llm::{ChatChunk, Error, Usage};
use serde_json::json;

use crate::access::Identity;
use crate::admission::Permit;
use crate::cache::CacheUse;
use crate::calls::CallSender;
use crate::cost::{self, Cost, Price, Tier, Tokens, Usd};
use crate::dialect::Dialect;
use crate::endpoint::Kind;
use crate::guardrails::{Decision, Decisions};
use crate::http::status_of;
use crate::losses::{Loss, Losses};
use crate::observe::{InFlight, Metrics, TraceParent};
use crate::otlp::Exporter;
use crate::recording::{RecordPolicy, Recording};
use crate::request::Request;
use crate::served::{Endpoint, Served};
use assembly::Assembly;
use facts::{ChunkFacts, WholeFacts};

/// Bytes of a request or an answer that a record keeps: what a person still reads, and what a database row still bears.
const RECORDED_BYTES_MAX: usize = 1 << 20;
/// Bytes that are kept of what is larger than that.
const RECORDED_HEAD_BYTES: usize = 64 << 10;

/// One finished call of an endpoint.
#[derive(Clone, Debug)]
pub struct Call {
    /// The id that the caller got as `x-request-id`.
    pub id: String,
    /// The endpoint that took the call.
    pub endpoint: String,
    /// The route through which it came, where it came through one.
    pub route: Option<String>,
    /// What was asked for.
    pub kind: Kind,
    /// The provider's name.
    pub provider: String,
    /// The provider's name of the model.
    pub model: String,
    /// The request, JSON; nothing where it is not recorded. Of one too large for a record, an object with its size and its beginning.
    pub request: Bytes,
    /// The answer, JSON; a stream's is put together as the unary answer would have been. `None` where none came.
    pub response: Option<Bytes>,
    /// How it ended.
    pub outcome: Outcome,
    /// The provider's token counts.
    pub usage: Option<Usage>,
    /// What it cost; `None` where the provider counted nothing, or nobody knows the price of its model.
    pub cost: Option<Cost>,
    /// What an answer from the cache would have cost, had its provider been asked again.
    pub saved: Option<Cost>,
    /// What the cache did; `None` where there is none.
    pub cache: Option<CacheUse>,
    /// What guardrails found, in the request and in the answer.
    pub decisions: Vec<Decision>,
    /// When it began, nanoseconds since the epoch.
    pub started_unix_ns: u64,
    /// From the beginning to the first piece of a stream that said something.
    pub first_token: Option<Duration>,
    /// From the beginning to the end.
    pub duration: Duration,
    /// Whether the answer was streamed.
    pub streamed: bool,
    /// What was tried, in order; the last one is what the call is told of.
    pub attempts: Vec<Attempt>,
    /// What of the request the provider had no words for.
    pub losses: Vec<Loss>,
    /// The caller's own span, where it named one.
    pub parent: Option<TraceParent>,
    /// Who made it, where the gateway asks for keys.
    pub caller: Option<Arc<Identity>>,
    /// Which program made it, by its own words, where the database's endpoint was called.
    pub client: Option<String>,
    /// Where it is recorded, where that is not the usual place.
    pub recording: Option<Arc<Recording>>,
}

/// Tokens of the input that a provider's cache had to do with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheTokens {
    /// Those that were read from it.
    pub read: u64,
    /// Those that were written to it.
    pub written: u64,
    /// Those of the written ones that stay for an hour.
    pub written_1h: u64,
}

impl Call {
    /// Bytes of what was asked and answered, as far as it is recorded.
    pub fn body_bytes(&self) -> usize {
        self.request.len() + self.response.as_ref().map_or(0, Bytes::len)
    }

    /// What the provider's own cache did, in whichever words the provider told it. `None` where nothing was counted.
    pub fn cache_tokens(&self) -> Option<CacheTokens> {
        let tokens = Tokens::of(self.usage.as_ref()?);
        let written = tokens.cache_write.saturating_add(tokens.cache_write_1h);
        Some(CacheTokens { read: tokens.cache_read, written, written_1h: tokens.cache_write_1h })
    }
}

/// One attempt to have a call answered.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The endpoint that was asked.
    pub endpoint: String,
    /// Its provider.
    pub provider: String,
    /// The provider's name of the model.
    pub model: String,
    /// When it began, nanoseconds since the epoch.
    pub started_unix_ns: u64,
    /// Until the answer, or the first piece of a streamed one, had come; it includes the wait for a turn.
    pub duration: Duration,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With an answer.
    Ok,
    /// With an error.
    Failed {
        /// The HTTP status that the caller saw, or would have seen had the stream not begun.
        status: u16,
        /// The words.
        message: String,
    },
    /// The caller left before the end.
    Cancelled,
}

impl Outcome {
    /// The outcome that an error is.
    pub(crate) fn of(error: &Error) -> Self {
        Self::Failed { status: status_of(error), message: error.to_string() }
    }
}

/// Takes the records, and counts those that found no room.
pub(crate) struct Recorder {
    sender: Option<CallSender>,
    pub(crate) metrics: Metrics,
    /// Another one takes its place when the configuration says so.
    exporter: ArcSwapOption<Exporter>,
}

impl Recorder {
    pub(crate) fn new(sender: Option<CallSender>, metrics: Metrics, exporter: Option<Exporter>) -> Self {
        Self { sender, metrics, exporter: ArcSwapOption::from_pointee(exporter) }
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.metrics.dropped_records()
    }

    /// Whether anybody wants to see what was asked and answered.
    fn keeps_content(&self) -> bool {
        self.sender.is_some() || self.exporter.load().as_ref().is_some_and(|it| it.captures_content())
    }

    pub(crate) fn exporter(&self) -> Option<Arc<Exporter>> {
        self.exporter.load_full()
    }

    /// Exports what is recorded from now on elsewhere; what still waits goes where it was to go.
    pub(crate) fn export_to(&self, exporter: Option<Exporter>) {
        self.exporter.store(exporter.map(Arc::new));
    }

    fn record(&self, call: Call) {
        if self.exporter.load().as_ref().is_some_and(|it| !it.take(&call)) {
            self.metrics.dropped_exports("queue", 1);
        }
        let is_recorded = call.recording.as_ref().is_none_or(|it| it.is_on);
        if self.sender.as_ref().is_some_and(|it| is_recorded && !it.try_send(call)) {
            self.metrics.dropped_record();
        }
    }
}

/// Measures one call. Dropped before its end, it records a cancelled one.
pub(crate) struct Meter {
    recorder: Arc<Recorder>,
    call: Option<Call>,
    permit: Option<Permit>,
    /// The call counts as under way.
    _in_flight: InFlight,
    started: Instant,
    decisions: Option<Decisions>,
    assembly: Assembly,
    /// The price of the endpoint that is asked now.
    price: Option<Arc<Price>>,
    /// The service tier that the answer names outside of its counts.
    tier: Option<Tier>,
    /// What is recorded, whether it is in any case, and whether what is asked and answered may be.
    policy: Arc<RecordPolicy>,
    is_sampled: bool,
    keeps_content: bool,
}

impl Meter {
    pub(crate) fn start(
        recorder: Arc<Recorder>,
        id: String,
        served: &Served,
        request: &Request,
        permit: Permit,
    ) -> Self {
        let policy = Arc::clone(served.record());
        let parent = TraceParent::of(&request.caller.headers);
        let is_sampled = policy.samples(parent.as_ref().map(|it| &it.trace_id), &id);
        let keeps_content = policy.may_keep_content(is_sampled) && (recorder.keeps_content() || policy.logs_bodies());
        let call = Call {
            id,
            // Until somebody is asked; a call that is stopped before keeps it.
            endpoint: served.name().to_owned(),
            route: match served {
                Served::Endpoint(_) => None,
                Served::Route(route) => Some(route.info.name.clone()),
            },
            kind: request.kind,
            provider: String::new(),
            model: String::new(),
            request: if keeps_content { recorded(&request.body) } else { Bytes::new() },
            response: None,
            outcome: Outcome::Cancelled,
            usage: None,
            cost: None,
            saved: None,
            cache: None,
            decisions: Vec::new(),
            started_unix_ns: unix_ns(),
            first_token: None,
            duration: Duration::ZERO,
            streamed: request.stream,
            attempts: Vec::new(),
            losses: Vec::new(),
            parent,
            caller: request.caller.known.as_ref().map(|it| Arc::clone(&it.identity)),
            client: served.recording().filter(|it| it.registered.is_some()).and_then(|_| request.caller.client()),
            recording: served.recording().cloned(),
        };
        let bytes_max = if keeps_content { RECORDED_BYTES_MAX } else { 0 };
        let assembly = Assembly::new(request.kind, bytes_max);
        Self {
            _in_flight: recorder.metrics.begun(),
            recorder,
            call: Some(call),
            permit: Some(permit),
            started: Instant::now(),
            decisions: None,
            assembly,
            price: None,
            tier: None,
            policy,
            is_sampled,
            keeps_content,
        }
    }

    /// The endpoint that is asked now.
    pub(crate) fn is_for(&mut self, endpoint: &Endpoint) {
        self.price.clone_from(&endpoint.price);
        if let Some(call) = &mut self.call {
            call.endpoint.clone_from(&endpoint.info.name);
            if call.recording.is_none() {
                call.recording.clone_from(&endpoint.recording);
            }
            call.provider.clone_from(&endpoint.info.provider);
            call.model.clone_from(&endpoint.info.model);
        }
    }

    /// How many attempts there were.
    pub(crate) fn attempts(&self) -> usize {
        self.call.as_ref().map_or(0, |it| it.attempts.len())
    }

    /// Notes an attempt, where there was one.
    pub(crate) fn all_tried(&mut self, attempt: Option<Attempt>) {
        if let Some(attempt) = attempt {
            self.tried(attempt);
        }
    }

    /// Notes an attempt.
    pub(crate) fn tried(&mut self, attempt: Attempt) {
        if let Some(call) = &mut self.call {
            call.attempts.push(attempt);
        }
    }

    /// Guardrails look at the call, and decide until it ends.
    pub(crate) fn is_guarded(&mut self, decisions: Decisions) {
        self.decisions = Some(decisions);
    }

    /// The request has become another one, which the record shows in its place.
    pub(crate) fn asks(&mut self, request: &Request) {
        if self.keeps_content
            && let Some(call) = &mut self.call
        {
            call.request = recorded(&request.body);
        }
    }

    /// Notes what an answer counts that will not reach the caller.
    pub(crate) fn counted(&mut self, form: Dialect, facts: &WholeFacts<'_>) {
        self.tier = facts.tier();
        if let Some(call) = &mut self.call {
            call.usage = facts.usage(form);
        }
    }

    /// Notes what the cache did.
    pub(crate) fn used_cache(&mut self, used: CacheUse) {
        if let Some(call) = &mut self.call {
            call.cache = Some(used);
        }
    }

    /// Notes what the request lost.
    pub(crate) fn lost(&mut self, losses: &Losses) {
        if let Some(call) = &mut self.call {
            call.losses.extend_from_slice(losses.as_slice());
        }
    }

    /// The call never began: it leaves no record.
    pub(crate) fn forget(mut self) {
        self.call = None;
        if let Some(permit) = self.permit.take() {
            permit.give_back();
        }
    }

    /// Sees a chunk pass that was read from a provider's own events.
    pub(crate) fn typed(&mut self, chunk: &ChatChunk) {
        let json = serde_json::to_string(chunk).unwrap_or_default();
        if let Ok(facts) = serde_json::from_str::<ChunkFacts<'_>>(&json) {
            self.chunk(&facts);
        }
    }

    /// Sees a chunk of the stream pass.
    pub(crate) fn chunk(&mut self, facts: &ChunkFacts<'_>) {
        let says_something = self.assembly.add(facts);
        if let Some(call) = &mut self.call {
            if says_something && call.first_token.is_none() {
                call.first_token = Some(self.started.elapsed());
            }
            if let Some(usage) = facts.usage() {
                call.usage = Some(usage);
            }
            self.tier = facts.tier().or(self.tier);
        }
    }

    /// Whether each answer of the stream has its finish reason.
    pub(crate) fn is_finished(&self) -> bool {
        self.assembly.is_finished()
    }

    /// The whole answer has come. Gives what it cost.
    pub(crate) fn whole(mut self, body: &Bytes, form: Dialect, facts: &WholeFacts<'_>) -> Option<Usd> {
        let mut call = self.call.take()?;
        call.response = self.keeps_content.then(|| recorded(body));
        call.usage = facts.usage(form);
        self.tier = facts.tier();
        self.finish(call, Outcome::Ok)
    }

    /// An answer has passed that nobody here has words for, but for its counts. Gives what it cost.
    pub(crate) fn passed(mut self, body: &Bytes, usage: Option<Usage>) -> Option<Usd> {
        let mut call = self.call.take()?;
        call.response = self.keeps_content.then(|| recorded(body));
        call.usage = usage;
        self.finish(call, Outcome::Ok)
    }

    /// Notes what a stream that passes unread has counted.
    pub(crate) fn has_counted(&mut self, usage: Usage) {
        if let Some(call) = &mut self.call {
            call.usage = Some(usage);
        }
    }

    /// The stream has come to its end. Gives what it cost.
    pub(crate) fn done(mut self) -> Option<Usd> {
        let call = self.call.take()?;
        self.finish(call, Outcome::Ok)
    }

    pub(crate) fn fail(mut self, error: &Error) {
        if let Some(call) = self.call.take() {
            let _ = self.finish(call, Outcome::of(error));
        }
    }

    fn finish(&mut self, mut call: Call, outcome: Outcome) -> Option<Usd> {
        call.duration = self.started.elapsed();
        call.outcome = outcome;
        call.decisions = self.decisions.take().map(|it| it.list()).unwrap_or_default();
        if call.streamed && self.keeps_content {
            call.response = self.assembly.to_json(call.usage.as_ref());
        }
        call.cost = call.usage.as_ref().and_then(|it| cost::of(self.price.as_deref(), &call.provider, it, self.tier));
        if matches!(call.cache, Some(CacheUse::Hit { .. })) {
            // Nobody counted tokens for it, and nobody will bill them.
            call.saved = call.cost.replace(Cost::default());
        }
        let cost = call.cost.map(|it| it.total);
        if let Some(permit) = self.permit.take() {
            permit.settle(&call);
        }
        let is_kept = self.policy.keeps(self.is_sampled, &call);
        let logged = self.policy.apply(&mut call, is_kept);
        self.recorder.metrics.finished(&call, &logged);
        if is_kept {
            self.recorder.record(call);
        }
        cost
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            let _ = self.finish(call, Outcome::Cancelled);
        }
    }
}

/// A body as a record keeps it: a copy, since a part of a connection's buffer would hold on to all of it for as long as
/// the record waits for the database.
fn recorded(body: &Bytes) -> Bytes {
    if body.len() <= RECORDED_BYTES_MAX {
        return Bytes::copy_from_slice(body);
    }
    let head = String::from_utf8_lossy(&body[..RECORDED_HEAD_BYTES]);
    json!({"truncated": true, "bytes": body.len(), "head": head}).to_string().into()
}

pub(crate) fn unix_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
