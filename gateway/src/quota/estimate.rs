//! What a call may need, before anybody knows, and what it took.

use serde::Deserialize;

use super::Measure;
use crate::cost::{Price, Tokens};
use crate::metering::Outcome;
use crate::request::Request;
use crate::served::Served;
use crate::{Call, Usd};

/// Bytes of a request for a token: English has about four letters in one, and JSON's own signs make up for others.
const BYTES_PER_TOKEN: u64 = 4;
/// A string of at least so many bytes without a blank is an image, a sound or a file, whose bytes are no tokens.
const ATTACHMENT_BYTES_MIN: usize = 4096;
/// Tokens that providers count for an image of the usual size, or some pages of a file.
const ATTACHMENT_TOKENS: u64 = 1000;
/// Tokens of output that a call reserves which names no bound of its own.
const OUTPUT_TOKENS: u64 = 256;

/// What a call may need.
#[derive(Clone, Copy, Debug)]
pub(super) struct Estimate {
    tokens: u64,
    nanodollars: u64,
}

/// The bound that a request sets to its output, by the names that the formats have for it.
#[derive(Deserialize, Default)]
struct Bound {
    #[serde(alias = "max_completion_tokens", alias = "max_output_tokens")]
    max_tokens: Option<u64>,
}

impl Estimate {
    pub(super) fn of(served: &Served, request: &Request) -> Self {
        // A body that names the bound twice is as good as one that names none.
        let bound = serde_json::from_slice::<Bound>(&request.body).unwrap_or_default().max_tokens;
        let input = input_tokens(&request.body);
        let output = if request.kind == crate::Kind::Embeddings { 0 } else { bound.unwrap_or(OUTPUT_TOKENS) };
        let cost =
            |price: &Price| price.cost(&Tokens { input, output, ..Tokens::default() }).map_or(0, |it| it.total.nanos());
        // Which destination takes a route's call is not known yet; the dearest one is reserved for.
        let nanodollars = match served {
            Served::Endpoint(it) => it.price.as_deref().map_or(0, cost),
            Served::Route(it) => {
                it.destinations.iter().filter_map(|it| it.price.as_deref().map(cost)).max().unwrap_or(0)
            }
        };
        Self { tokens: input.saturating_add(output), nanodollars }
    }

    pub(super) fn of_measure(self, measure: Measure) -> u64 {
        match measure {
            Measure::Requests | Measure::Concurrent => 1,
            Measure::Tokens => self.tokens,
            Measure::Usd => self.nanodollars,
        }
    }
}

/// Tokens of a JSON body, about.
fn input_tokens(body: &[u8]) -> u64 {
    let mut bytes = 0;
    let mut attachments = 0;
    // Escaped quotes cut a text into two, which changes nothing for texts, and base64 has none.
    for piece in body.split(|it| *it == b'"') {
        let is_plain = |it: &u8| it.is_ascii_graphic();
        if piece.len() >= ATTACHMENT_BYTES_MIN && piece.iter().all(is_plain) {
            attachments += 1;
        } else {
            bytes += piece.len() as u64 + 1;
        }
    }
    bytes / BYTES_PER_TOKEN + attachments * ATTACHMENT_TOKENS
}

/// What a finished call took; `None` where nobody knows.
pub(super) fn took(measure: Measure, call: &Call) -> Option<u64> {
    let is_known = call.usage.is_some() || matches!(call.outcome, Outcome::Failed { .. });
    match measure {
        Measure::Requests => Some(1),
        // It is over.
        Measure::Concurrent => Some(0),
        // An answer from the cache asked nobody for tokens.
        Measure::Tokens if call.saved.is_some() => Some(0),
        Measure::Tokens => is_known.then(|| call.usage.as_ref().map_or(0, |it| it.total_tokens)),
        Measure::Usd => is_known.then(|| call.cost.map_or(Usd::ZERO, |it| it.total).nanos()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attachments_are_not_counted_by_their_bytes() {
        let check = |body: &str, expected: u64| assert_eq!(input_tokens(body.as_bytes()), expected);
        check(r#"{"messages":[{"role":"user","content":"how high is the tide"}]}"#, 16);
        let image = "A".repeat(1 << 20);
        check(&format!(r#"{{"image_url":{{"url":"data:image/png;base64,{image}"}}}}"#), 1006);
        let prose = "ebb and flow ".repeat(1000);
        check(&format!(r#"{{"content":"{prose}"}}"#), 3253);
        let chinese = "潮".repeat(4000);
        check(&format!(r#"{{"content":"{chinese}"}}"#), 3003);
    }
}
