//! What callers are told of their quotas, in the headers that OpenAI's clients know.

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use super::{Action, Claim, Claiming, Measure};

/// `x-ratelimit-limit-requests` and its like, of the quota that has the least left.
pub(super) fn headers(rules: &[Claiming<'_>], claims: &[Claim], counts: &[u64], now_unix_s: i64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (measure, names) in [
        (
            Measure::Requests,
            ["x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"],
        ),
        (Measure::Tokens, ["x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"]),
    ] {
        let tightest = rules
            .iter()
            .filter(|Claiming { rule, .. }| rule.measure == measure && rule.action == Action::Reject)
            .map(|Claiming { rule, place, .. }| {
                (rule.amount.saturating_sub(counts[*place]), rule.amount, claims[*place].ends_unix_s)
            })
            .min();
        let Some((left, amount, ends)) = tightest else { continue };
        let reset = format!("{}s", (ends - now_unix_s).max(0));
        for (name, value) in names.into_iter().zip([amount.to_string(), left.to_string(), reset]) {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
    }
    headers
}
