//! Requests that pass to a provider's server as they are, but for the address and the key.

use std::pin::Pin;

use bytes::Bytes;
use llm::Error;
use reqwest::Method;
use reqwest::header::HeaderMap;

/// One such request.
pub(crate) struct Raw {
    pub(crate) method: Method,
    /// Below the server's base address, without a query.
    pub(crate) path: String,
    /// Without `?`; may be empty.
    pub(crate) query: String,
    /// What the body is, what answer is wanted, and the caller's headers that go on.
    pub(crate) headers: HeaderMap,
    pub(crate) body: reqwest::Body,
}

/// The good answer to one: errors are told as those of calls are.
pub(crate) struct RawReply {
    pub(crate) headers: HeaderMap,
    /// The bytes as they come. Dropping it ends the request.
    pub(crate) body: Pin<Box<dyn futures::Stream<Item = Result<Bytes, Error>> + Send>>,
}

impl Raw {
    /// The address below the base, with a query of the vendor's own (`?api-version=…`) before the caller's.
    pub(super) fn address(&self, own_query: &str) -> String {
        let own = own_query.trim_start_matches('?');
        let queries = [own, self.query.as_str()].into_iter().filter(|it| !it.is_empty());
        let query = queries.collect::<Vec<_>>().join("&");
        if query.is_empty() { self.path.clone() } else { format!("{}?{query}", self.path) }
    }
}
