//! One line in the log for each finished call, with no word of what was asked or answered unless the configuration wants
//! that.
//!
//! The target is `calls`, so that a filter turns these lines on and off by themselves: `TIDEGATE_LOG=calls=info` shows
//! all of them. Without a filter of one's own only failures on our side or the provider's are shown.

use crate::recording::Logged;
use crate::{Call, Outcome};

/// What the lines are filtered by.
const TARGET: &str = "calls";

/// Writes the line of a call.
pub(super) fn line(call: &Call, logged: &Logged) {
    match &call.outcome {
        Outcome::Failed { status, message } if *status >= 500 => {
            if tracing::enabled!(target: TARGET, tracing::Level::WARN) {
                let facts = Facts::of(call);
                tracing::warn!(target: TARGET, call = call.id, endpoint = call.endpoint, route = call.route,
                    key = call.caller.as_ref().map(|it| it.key.as_str()), provider = call.provider, model = call.model, kind = call.kind.word(), status, message,
                    streamed = call.streamed, attempts = call.attempts.len(), duration_ms = facts.duration_ms,
                    request = logged.request, response = logged.response, "a call failed");
            }
        }
        outcome => {
            if tracing::enabled!(target: TARGET, tracing::Level::INFO) {
                let facts = Facts::of(call);
                let status = match outcome {
                    Outcome::Ok => 200,
                    Outcome::Failed { status, .. } => *status,
                    // As proxies log a client that left.
                    Outcome::Cancelled => 499,
                };
                tracing::info!(target: TARGET, call = call.id, endpoint = call.endpoint, route = call.route,
                    key = call.caller.as_ref().map(|it| it.key.as_str()), provider = call.provider, model = call.model, kind = call.kind.word(), status,
                    streamed = call.streamed, attempts = call.attempts.len(), duration_ms = facts.duration_ms,
                    first_token_ms = facts.first_token_ms, input_tokens = facts.input_tokens,
                    output_tokens = facts.output_tokens, cost_usd = facts.cost_usd, cache = facts.cache,
                    lost_fields = facts.lost_fields, request = logged.request, response = logged.response,
                    "a call");
            }
        }
    }
}

/// What of a call is put into words for its line; what is not known is left out of it.
struct Facts {
    duration_ms: f64,
    first_token_ms: Option<f64>,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cost_usd: Option<String>,
    cache: Option<&'static str>,
    lost_fields: Option<u64>,
}

impl Facts {
    fn of(call: &Call) -> Self {
        Self {
            duration_ms: call.duration.as_secs_f64() * 1e3,
            first_token_ms: call.first_token.map(|it| it.as_secs_f64() * 1e3),
            input_tokens: call.usage.as_ref().map(|it| it.prompt_tokens),
            output_tokens: call.usage.as_ref().and_then(|it| it.completion_tokens),
            cost_usd: call.cost.map(|it| it.total.to_string()),
            cache: call.cache.map(crate::CacheUse::word),
            lost_fields: (!call.losses.is_empty()).then_some(call.losses.len() as u64),
        }
    }
}
