//! The handles of one endpoint in all families.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

use super::labels::{CacheLabels, CallLabels, EndpointLabels, ModelLabels, TokenLabels, TokenUsageLabels};
use super::names::OTHER;
use super::{ENDPOINTS_MAX, Inner};
use crate::cost::{Tokens, Usd};
use crate::{CacheUse, Call, Kind, Outcome};

/// The handles of all endpoints, by name.
#[derive(Default)]
pub(super) struct AllSeries {
    by_endpoint: HashMap<String, Arc<Series>>,
    other: Option<Arc<Series>>,
}

impl AllSeries {
    /// The handles of the call's endpoint, unless it stands for another model since it was reloaded.
    pub(super) fn get(&self, call: &Call) -> Option<Arc<Series>> {
        match self.by_endpoint.get(&call.endpoint) {
            Some(it) => it.is_of(call).then(|| Arc::clone(it)),
            None if self.is_full() => self.other.clone(),
            None => None,
        }
    }

    pub(super) fn add(&mut self, call: &Call, make: impl FnOnce(ModelLabels) -> Series) -> Arc<Series> {
        if self.is_full() && !self.by_endpoint.contains_key(&call.endpoint) {
            let labels = ModelLabels {
                endpoint: OTHER.to_owned(),
                gen_ai_operation_name: OTHER,
                gen_ai_provider_name: OTHER.to_owned(),
                gen_ai_request_model: OTHER.to_owned(),
            };
            return Arc::clone(self.other.get_or_insert_with(|| Arc::new(make(labels))));
        }
        let labels = ModelLabels {
            endpoint: call.endpoint.clone(),
            gen_ai_operation_name: operation(call.kind),
            gen_ai_provider_name: provider(&call.provider).to_owned(),
            gen_ai_request_model: call.model.clone(),
        };
        let series = Arc::new(make(labels));
        self.by_endpoint.insert(call.endpoint.clone(), Arc::clone(&series));
        series
    }

    fn is_full(&self) -> bool {
        self.by_endpoint.len() >= ENDPOINTS_MAX
    }
}

/// What the conventions call a kind of call.
pub(crate) fn operation(kind: Kind) -> &'static str {
    match kind {
        Kind::Chat => "chat",
        Kind::Completions => "text_completion",
        Kind::Embeddings => "embeddings",
    }
}

/// What the conventions call a provider.
pub(crate) fn provider(name: &str) -> &str {
    match name {
        "bedrock" | "amazon-bedrock" => "aws.bedrock",
        "azure" => "azure.ai.openai",
        "gemini" => "gcp.gemini",
        "vertex" | "vertexai" | "vertex-ai" | "vertex_ai" => "gcp.vertex_ai",
        "mistral" => "mistral_ai",
        "xai" => "x_ai",
        _ => name,
    }
}

/// How a call or an attempt ended: `ok`, `cancelled`, or the status of its error.
pub(super) fn status(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Ok => "ok".to_owned(),
        Outcome::Failed { status, .. } => status.to_string(),
        Outcome::Cancelled => "cancelled".to_owned(),
    }
}

/// What tokens are, in the order of [`Series::tokens`].
const TOKEN_TYPES: [&str; 5] = ["input", "cache_read", "cache_write", "output", "reasoning"];

/// The handles of one endpoint.
pub(super) struct Series {
    labels: ModelLabels,
    ok: Histogram,
    durations: Family<CallLabels, Histogram>,
    first_token: Histogram,
    input: Histogram,
    output: Histogram,
    tokens: [Counter; 5],
    cost: Counter<f64, AtomicU64>,
    saved: Counter<f64, AtomicU64>,
    cache: Family<CacheLabels, Counter>,
    losses: Counter,
}

impl Series {
    pub(super) fn new(all: &Inner, labels: ModelLabels) -> Self {
        let ok = CallLabels { model: labels.clone(), error_type: String::new() };
        let used = |gen_ai_token_type| {
            all.token_usage.get_or_create_owned(&TokenUsageLabels { model: labels.clone(), gen_ai_token_type })
        };
        Self {
            ok: all.duration.get_or_create_owned(&ok),
            durations: all.duration.clone(),
            first_token: all.first_token.get_or_create_owned(&labels),
            input: used("input"),
            output: used("output"),
            tokens: TOKEN_TYPES
                .map(|it| all.tokens.get_or_create_owned(&TokenLabels { model: labels.clone(), r#type: it })),
            cost: all.cost.get_or_create_owned(&labels),
            saved: all.saved.get_or_create_owned(&labels),
            cache: all.cache.clone(),
            losses: all.losses.get_or_create_owned(&EndpointLabels { endpoint: labels.endpoint.clone() }),
            labels,
        }
    }

    /// Whether these are the handles of the call's model.
    fn is_of(&self, call: &Call) -> bool {
        self.labels.gen_ai_operation_name == operation(call.kind)
            && self.labels.gen_ai_request_model == call.model
            && self.labels.gen_ai_provider_name == provider(&call.provider)
    }

    /// Counts a finished call.
    pub(super) fn observe(&self, call: &Call) {
        let seconds = call.duration.as_secs_f64();
        match &call.outcome {
            Outcome::Ok => self.ok.observe(seconds),
            outcome => {
                let labels = CallLabels { model: self.labels.clone(), error_type: status(outcome) };
                self.durations.get_or_create(&labels).observe(seconds);
            }
        }
        if let Some(first_token) = call.first_token {
            self.first_token.observe(first_token.as_secs_f64());
        }
        let is_hit = matches!(call.cache, Some(CacheUse::Hit { .. }));
        // What a cache repeats was counted when it was kept.
        if let Some(usage) = call.usage.as_ref().filter(|_| !is_hit) {
            let tokens = Tokens::of(usage);
            self.input.observe(float(usage.prompt_tokens));
            if let Some(count) = usage.completion_tokens {
                self.output.observe(float(count));
            }
            let counts = [
                tokens.input.saturating_add(tokens.audio_input).saturating_add(tokens.image_input),
                tokens.cache_read,
                tokens.cache_write.saturating_add(tokens.cache_write_1h),
                tokens.output.saturating_add(tokens.audio_output).saturating_add(tokens.image_output),
                tokens.reasoning,
            ];
            for (counter, count) in self.tokens.iter().zip(counts) {
                counter.inc_by(count);
            }
        }
        if let Some(cost) = &call.cost {
            self.cost.inc_by(usd(cost.total));
        }
        if let Some(saved) = &call.saved {
            self.saved.inc_by(usd(saved.total));
        }
        if let Some(used) = call.cache {
            let labels = CacheLabels { endpoint: self.labels.endpoint.clone(), result: used.word() };
            self.cache.get_or_create(&labels).inc();
        }
        self.losses.inc_by(call.losses.len() as u64);
    }
}

/// Dollars for a graph; records keep the exact sum.
#[expect(clippy::cast_precision_loss, reason = "a graph shows no more digits than a float has")]
pub(super) fn usd(amount: Usd) -> f64 {
    amount.picos() as f64 / 1e12
}

#[expect(clippy::cast_precision_loss, reason = "a histogram sorts counts into powers of four")]
fn float(count: u64) -> f64 {
    count as f64
}
