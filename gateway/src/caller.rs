//! Who calls, and what of the request's head the rest of the way needs.

use std::fmt;
use std::sync::Arc;

use axum::http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL, USER_AGENT};
use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::access::VirtualKey;
use crate::secrets::Secret;

/// Headers that may reach the provider: they say how the call is meant, not who makes it.
const FORWARDED: [HeaderName; 4] = [
    HeaderName::from_static("anthropic-beta"),
    HeaderName::from_static("anthropic-version"),
    HeaderName::from_static("openai-beta"),
    HeaderName::from_static("idempotency-key"),
];

/// Where callers put their key, besides `Authorization: Bearer`.
const KEYS: [HeaderName; 3] = [
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-goog-api-key"),
];

/// What stands before a key among the protocols that a WebSocket offers, as OpenAI has it.
const SOCKET_KEY: &str = "openai-insecure-api-key.";

/// By which MLflow's own programs name themselves.
const CLIENT: HeaderName = HeaderName::from_static("x-mlflow-gateway-caller");
/// Bytes of a program's name at most.
const CLIENT_BYTES_MAX: usize = 250;

/// The one who calls. The default is a caller in this process, who needs no key.
#[derive(Clone, Default)]
pub(crate) struct Caller {
    /// The headers of the call that may concern us or the provider.
    pub(crate) headers: HeaderMap,
    /// Whether the call is only to be explained.
    pub(crate) wants_explanation: bool,
    /// The key that came with the call, as it came.
    pub(crate) key: Option<Secret>,
    /// The virtual key that it is, where the gateway asks for one.
    pub(crate) known: Option<Arc<VirtualKey>>,
    /// Whether the call came over HTTP.
    pub(crate) is_remote: bool,
    /// Whether it is a guardrail that calls, which no guardrail looks at.
    pub(crate) is_unguarded: bool,
}

impl Caller {
    /// Reads the head of a request, and takes the key that the guard has known it by.
    pub(crate) fn of(headers: &HeaderMap, known: Option<Arc<VirtualKey>>) -> Self {
        Self {
            key: key(headers),
            headers: kept(headers),
            known,
            wants_explanation: false,
            is_remote: true,
            is_unguarded: false,
        }
    }

    /// A guardrail of this gateway, which asks a model. Its calls are told by the name that MLflow gives them.
    pub(crate) fn guardrail() -> Self {
        let headers = HeaderMap::from_iter([(CLIENT, HeaderValue::from_static("judge"))]);
        Self { headers, is_unguarded: true, ..Self::default() }
    }

    /// Which program calls: as MLflow's header names it, or the product that the user agent names first.
    pub(crate) fn client(&self) -> Option<String> {
        let text = |name: &HeaderName| self.headers.get(name)?.to_str().ok().map(str::trim).filter(|it| !it.is_empty());
        let named = text(&CLIENT).or_else(|| text(&USER_AGENT)?.split('/').next().map(str::trim));
        // What is longer names no program.
        named.filter(|it| !it.is_empty() && it.len() <= CLIENT_BYTES_MAX).map(str::to_owned)
    }

    /// The headers that go on to the provider.
    pub(crate) fn forwarded(&self) -> impl Iterator<Item = (&HeaderName, &axum::http::HeaderValue)> {
        self.headers.iter().filter(|(name, _)| FORWARDED.contains(name))
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Caller")
            .field("known", &self.known)
            .field("is_remote", &self.is_remote)
            .finish_non_exhaustive()
    }
}

/// The key that came with a request, unchecked.
pub(crate) fn key(headers: &HeaderMap) -> Option<Secret> {
    let bearer = headers.get(AUTHORIZATION).and_then(|it| it.to_str().ok()).and_then(|it| {
        let (scheme, key) = it.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(key)
    });
    // Pages in browsers can set no header of a WebSocket but this one.
    let offered = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|it| it.to_str().ok());
    let in_protocol = offered.flat_map(|it| it.split(',')).find_map(|it| it.trim().strip_prefix(SOCKET_KEY));
    bearer
        .or(in_protocol)
        .or_else(|| KEYS.iter().find_map(|it| headers.get(it)?.to_str().ok()))
        .map(Secret::new)
        .filter(|it| !it.reveal().is_empty())
}

/// The headers that somebody below looks at: those for the provider, ours, the trace's, and the caching wish.
fn kept(headers: &HeaderMap) -> HeaderMap {
    let mut kept = HeaderMap::new();
    for (name, value) in headers {
        let is_ours = name.as_str().starts_with("x-tidegate-");
        if is_ours
            || FORWARDED.contains(name)
            || *name == CLIENT
            || matches!(name.as_str(), "traceparent" | "tracestate" | "cache-control" | "user-agent")
        {
            kept.append(name.clone(), value.clone());
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_in_several_headers_and_go_no_further() {
        let check = |name: &'static str, value: &str, expected: Option<&str>| {
            let headers = HeaderMap::from_iter([(HeaderName::from_static(name), value.parse().unwrap())]);
            assert_eq!(key(&headers).as_ref().map(Secret::reveal), expected);
            assert!(kept(&headers).is_empty());
        };
        check("authorization", "Bearer tg-1", Some("tg-1"));
        check("authorization", "bearer tg-1", Some("tg-1"));
        check("authorization", "Basic dTpw", None);
        check("authorization", "Bearer ", None);
        check("x-api-key", "tg-1", Some("tg-1"));
        check("api-key", "tg-1", Some("tg-1"));
        check("x-goog-api-key", "tg-1", Some("tg-1"));
        check("sec-websocket-protocol", "realtime, openai-insecure-api-key.tg-1", Some("tg-1"));
        check("cookie", "a=b", None);
    }
}
