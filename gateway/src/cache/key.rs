//! The key of a call: a hash of everything that changes its answer.

use std::io::Write as _;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{CacheConfig, Share};
use crate::request::Request;
use crate::served::Served;

/// The hash of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key(pub(crate) [u8; 32]);

/// Raised when the material of the key changes, so that nobody reads what an older version kept under it.
const VERSION: &[u8] = b"tidegate-cache-1";

/// Fields of a body that do not change the answer: who asks, how it is delivered, and what the provider's own caches
/// and archives make of it. The model is the endpoint's to say.
const IGNORED: [&str; 8] = [
    "model",
    "stream",
    "stream_options",
    "user",
    "safety_identifier",
    "metadata",
    "prompt_cache_key",
    "prompt_cache_retention",
];

/// The key of a call; `None` for those whose answer is no answer yet, or that no hash can stand for.
pub(super) fn of(config: &CacheConfig, served: &Served, request: &Request, fingerprint: u64) -> Option<Key> {
    of_body(config, served, request, fingerprint, &serde_json::from_slice(&request.body).ok()?)
}

/// The same with another body, as if the caller had sent that.
pub(super) fn of_body(
    config: &CacheConfig,
    served: &Served,
    request: &Request,
    fingerprint: u64,
    body: &Value,
) -> Option<Key> {
    let body = body.as_object()?;
    // A job that runs on behind the answer.
    if body.get("background").is_some_and(|it| *it == true) {
        return None;
    }
    let mut hash = Sha256::new();
    part(&mut hash, VERSION);
    part(&mut hash, config.namespace.as_bytes());
    match (config.share, &request.caller.key) {
        (Share::Key, Some(key)) => part(&mut hash, &Sha256::digest(key.reveal())),
        _ => part(&mut hash, b""),
    }
    for endpoint in served.endpoints() {
        part(&mut hash, endpoint.info.provider.as_bytes());
        part(&mut hash, endpoint.info.model.as_bytes());
    }
    // A stream and a whole answer are two entries: each is replayed as the provider sent it.
    let shape = format!("{} {:?} {} {fingerprint:x}", request.kind, request.dialect, request.stream);
    part(&mut hash, shape.as_bytes());
    let mut headers: Vec<_> = request.caller.forwarded().filter(|(name, _)| *name != "idempotency-key").collect();
    headers.sort_by_key(|(name, value)| (name.as_str(), value.as_bytes()));
    for (name, value) in headers {
        part(&mut hash, name.as_str().as_bytes());
        part(&mut hash, value.as_bytes());
    }
    let fields = body.iter().filter(|(name, value)| !value.is_null() && !IGNORED.contains(&name.as_str()));
    object(&mut hash, fields);
    Some(Key(hash.finalize().into()))
}

/// Length and bytes, so that no two lists of parts look alike.
fn part(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
}

/// JSON with sorted keys and without spaces.
fn value(hash: &mut Sha256, it: &Value) {
    match it {
        Value::Object(fields) => object(hash, fields.iter()),
        Value::Array(items) => {
            hash.update(b"[");
            for item in items {
                value(hash, item);
                hash.update(b",");
            }
            hash.update(b"]");
        }
        plain => write!(hash, "{plain}").expect("a hash takes every byte"),
    }
}

fn object<'a>(hash: &mut Sha256, fields: impl Iterator<Item = (&'a String, &'a Value)>) {
    let mut fields: Vec<_> = fields.collect();
    fields.sort_unstable_by_key(|(name, _)| *name);
    hash.update(b"{");
    for (name, it) in fields {
        part(hash, name.as_bytes());
        value(hash, it);
        hash.update(b",");
    }
    hash.update(b"}");
}
