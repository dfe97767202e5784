//! Counts and times of the gateway, as Prometheus reads them at `GET /metrics`.
//!
//! [`Metrics`] is shared by everything that a gateway is made of; a clone costs a reference count. A finished call is
//! observed once, from its [`Call`], so that whatever a call's record tells can be counted here without a second
//! notice: add a family to [`Metrics`], and a line to [`Metrics::finished`]. What is no call has a method of its own
//! ([`Metrics::refused`], [`Metrics::lost_records`]), and what others count anyhow is read when somebody asks, by
//! [`Gateway::metrics_text`](crate::Gateway::metrics_text).
//!
//! Names follow OpenTelemetry's conventions for generative AI and HTTP as its exporters write them for Prometheus; the
//! gateway's own begin with `tidegate_`. Each label is bounded: endpoints beyond [`ENDPOINTS_MAX`] and other names
//! beyond [`NAMES_MAX`] are counted as `other`.

pub(crate) mod health;
pub(crate) mod http;
mod labels;
mod log;
mod names;
mod parent;
mod series;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::recording::Logged;
use crate::{CacheUse, Call, EndpointHealth, Reloads};
use labels::{
    AttemptLabels, CacheLabels, CallLabels, DecisionLabels, EndpointLabels, ExportLabels, KeyCallLabels, KeyLabels,
    ModelLabels, RefusedLabels, RouteLabels, TokenLabels, TokenUsageLabels,
};
use names::Names;
pub use parent::TraceParent;
use series::{AllSeries, Series};
pub(crate) use series::{operation, provider};

/// Endpoints that are told apart: each has some sixty lines, which a scrape of a few MiB still bears.
const ENDPOINTS_MAX: usize = 1000;
/// Keys, and guardrails and names that were asked for, that are told apart.
const NAMES_MAX: usize = 256;

/// Seconds, as OpenTelemetry's conventions cut the duration of a call to a model.
const CALL_SECONDS: [f64; 14] =
    [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
/// Seconds, as they cut the time to the first token.
const FIRST_TOKEN_SECONDS: [f64; 16] =
    [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
/// Tokens, as they cut what a call used.
const TOKENS: [f64; 14] = [
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16384.0,
    65536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];
/// Seconds, as they cut the time of an HTTP request.
const REQUEST_SECONDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// What is counted and measured. Clones share it.
#[derive(Clone)]
pub(crate) struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    /// The handles of each endpoint that was called, so that a call looks up one name and no set of labels.
    series: RwLock<AllSeries>,
    names: Names,
    duration: Family<CallLabels, Histogram>,
    token_usage: Family<TokenUsageLabels, Histogram>,
    first_token: Family<ModelLabels, Histogram>,
    tokens: Family<TokenLabels, Counter>,
    cost: Family<ModelLabels, Counter<f64, AtomicU64>>,
    saved: Family<ModelLabels, Counter<f64, AtomicU64>>,
    attempts: Family<AttemptLabels, Counter>,
    cache: Family<CacheLabels, Counter>,
    decisions: Family<DecisionLabels, Counter>,
    losses: Family<EndpointLabels, Counter>,
    refused: Family<RefusedLabels, Counter>,
    in_flight: Gauge,
    dropped: Counter,
    lost: Counter,
    key_calls: Family<KeyCallLabels, Counter>,
    key_tokens: Family<KeyLabels, Counter>,
    key_cost: Family<KeyLabels, Counter<f64, AtomicU64>>,
    keys: Names,
    exports: Family<ExportLabels, Counter>,
    generation: Counter,
    reloads_refused: Counter,
    requests: Family<RouteLabels, Histogram>,
}

/// Counts a call as under way until it is dropped.
pub(crate) struct InFlight(Gauge);

impl Default for Metrics {
    fn default() -> Self {
        let it = Inner {
            registry: Registry::default(),
            series: RwLock::default(),
            names: Names::new(NAMES_MAX),
            duration: Family::new_with_constructor(|| Histogram::new(CALL_SECONDS)),
            token_usage: Family::new_with_constructor(|| Histogram::new(TOKENS)),
            first_token: Family::new_with_constructor(|| Histogram::new(FIRST_TOKEN_SECONDS)),
            tokens: Family::default(),
            cost: Family::default(),
            saved: Family::default(),
            attempts: Family::default(),
            cache: Family::default(),
            decisions: Family::default(),
            losses: Family::default(),
            refused: Family::default(),
            in_flight: Gauge::default(),
            dropped: Counter::default(),
            lost: Counter::default(),
            key_calls: Family::default(),
            key_tokens: Family::default(),
            key_cost: Family::default(),
            keys: Names::new(NAMES_MAX),
            exports: Family::default(),
            generation: Counter::default(),
            reloads_refused: Counter::default(),
            requests: Family::new_with_constructor(|| Histogram::new(REQUEST_SECONDS)),
        };
        Self(Arc::new(it.registered()))
    }
}

impl Inner {
    fn registered(mut self) -> Self {
        let it = &mut self.registry;
        it.register(
            "gen_ai_client_operation_duration_seconds",
            "From the beginning to the end of a call, streams included; error_type is the status of those that failed",
            self.duration.clone(),
        );
        it.register(
            "gen_ai_client_token_usage",
            "Tokens of a call as its provider counted them",
            self.token_usage.clone(),
        );
        it.register(
            "gen_ai_server_time_to_first_token_seconds",
            "From the beginning of a streamed call to the first piece that said something",
            self.first_token.clone(),
        );
        it.register("tidegate_tokens", "Tokens by what they cost; the types do not overlap", self.tokens.clone());
        it.register(
            "tidegate_cost_usd",
            "What calls cost in US dollars, where their price is known",
            self.cost.clone(),
        );
        it.register("tidegate_saved_usd", "What calls would have cost that a cache answered", self.saved.clone());
        it.register("tidegate_attempts", "Attempts to have calls answered", self.attempts.clone());
        it.register("tidegate_cache_lookups", "Calls by what the cache did", self.cache.clone());
        it.register("tidegate_guardrail_decisions", "What guardrails found", self.decisions.clone());
        it.register("tidegate_lost_fields", "Fields that a provider had no words for", self.losses.clone());
        it.register("tidegate_calls_refused", "Calls that never began: limits, budgets, keys", self.refused.clone());
        it.register("tidegate_key_calls", "Calls by the name of the caller's key", self.key_calls.clone());
        it.register("tidegate_key_tokens", "Tokens of its calls, input and output", self.key_tokens.clone());
        it.register("tidegate_key_cost_usd", "What its calls cost in US dollars", self.key_cost.clone());
        it.register("tidegate_calls_in_flight", "Calls under way, streams included", self.in_flight.clone());
        it.register(
            "tidegate_records_dropped",
            "Records of calls that were dropped because the recorder was behind",
            self.dropped.clone(),
        );
        it.register(
            "tidegate_records_lost",
            "Records of calls that the database did not take, however often it was asked",
            self.lost.clone(),
        );
        it.register("tidegate_exports_dropped", "Calls whose spans did not reach the collector", self.exports.clone());
        it.register(
            "tidegate_configurations",
            "Configurations served so far, the first one included",
            self.generation.clone(),
        );
        it.register(
            "tidegate_configurations_refused",
            "Configurations that were refused, so that the one before went on",
            self.reloads_refused.clone(),
        );
        it.register(
            "http_server_request_duration_seconds",
            "From the head of a request to the head of its answer",
            self.requests.clone(),
        );
        self
    }
}

impl Metrics {
    /// All of it, in the text format of `OpenMetrics`.
    pub(crate) fn text(&self, reloads: &Reloads, endpoints: &[EndpointHealth]) -> String {
        self.0.generation.inner().store(reloads.generation, Ordering::Relaxed);
        self.0.reloads_refused.inner().store(reloads.refused, Ordering::Relaxed);
        let mut text = String::new();
        health::write(endpoints, &mut text);
        encode(&mut text, &self.0.registry).expect("a text takes whatever is written to it");
        text
    }

    /// A call has begun.
    pub(crate) fn begun(&self) -> InFlight {
        self.0.in_flight.inc();
        InFlight(self.0.in_flight.clone())
    }

    /// A call never began. `name` is what it asked for: an endpoint or a route that there is.
    pub(crate) fn refused(&self, name: &str, status: u16) {
        let labels = RefusedLabels { name: self.0.names.bounded(name), status };
        self.0.refused.get_or_create(&labels).inc();
    }

    /// A call has ended.
    pub(crate) fn finished(&self, call: &Call, logged: &Logged) {
        log::line(call, logged);
        self.series(call).observe(call);
        if let Some(caller) = &call.caller {
            self.called_by(&caller.key, call);
        }
        for attempt in &call.attempts {
            let (endpoint, status) = (self.0.names.bounded(&attempt.endpoint), series::status(&attempt.outcome));
            self.0.attempts.get_or_create(&AttemptLabels { endpoint, status }).inc();
        }
        for decision in &call.decisions {
            let labels = DecisionLabels {
                guardrail: self.0.names.bounded(&decision.guardrail),
                stage: decision.stage.word(),
                verdict: decision.verdict.word(),
            };
            self.0.decisions.get_or_create(&labels).inc();
        }
    }

    fn called_by(&self, key: &str, call: &Call) {
        let key = self.0.keys.bounded(key);
        let labels = KeyCallLabels { key: key.clone(), status: series::status(&call.outcome) };
        self.0.key_calls.get_or_create(&labels).inc();
        let labels = KeyLabels { key };
        if let Some(usage) = call.usage.as_ref().filter(|_| !matches!(call.cache, Some(CacheUse::Hit { .. }))) {
            self.0.key_tokens.get_or_create(&labels).inc_by(usage.total_tokens);
        }
        if let Some(cost) = &call.cost {
            self.0.key_cost.get_or_create(&labels).inc_by(series::usd(cost.total));
        }
    }

    /// A record found no room.
    pub(crate) fn dropped_record(&self) {
        self.0.dropped.inc();
    }

    /// Records that found no room so far.
    pub(crate) fn dropped_records(&self) -> u64 {
        self.0.dropped.get()
    }

    /// Records were lost after they had been taken.
    pub(crate) fn lost_records(&self, count: u64) {
        self.0.lost.inc_by(count);
    }

    /// Calls were not exported, because the `queue` was full or the `collector` did not take them.
    pub(crate) fn dropped_exports(&self, reason: &'static str, count: u64) {
        self.0.exports.get_or_create(&ExportLabels { reason }).inc_by(count);
    }

    fn series(&self, call: &Call) -> Arc<Series> {
        let known = self.0.series.read().unwrap_or_else(std::sync::PoisonError::into_inner).get(call);
        known.unwrap_or_else(|| {
            let mut all = self.0.series.write().unwrap_or_else(std::sync::PoisonError::into_inner);
            all.add(call, |labels| Series::new(&self.0, labels))
        })
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}
