//! The `cache` of an endpoint or a route.

use std::time::Duration;

use super::Config;
use super::guardrails::{judges, reached};
use super::measures::{bytes, duration};
use super::settings::World;
use super::tree::Place;
use crate::ConfigError;
use crate::cache::{CacheConfig, SemanticConfig, Share, StoreKind};
use crate::endpoint::Kind;

const KEYS: &[&str] = &["store", "ttl", "namespace", "max_bytes", "max_entry_bytes", "share", "semantic"];
const SEMANTIC_KEYS: &[&str] = &["endpoint", "threshold", "max_entries"];

/// How alike questions must be: of two that differ in a word that matters, vectors often say 0.9.
const THRESHOLD: f32 = 0.95;
/// Questions that are remembered; a vector of 1,536 numbers takes 6 KiB, so that these take as many MiB.
const ENTRIES_MAX: usize = 1000;
/// Each lookup compares with all of them.
const ENTRIES_LIMIT: u32 = 100_000;

/// An answer that is an hour old still says what the model would say; facts in prompts change more slowly.
const TTL: Duration = Duration::from_hours(1);
/// Some ten thousand answers.
const BYTES_MAX: usize = 64 << 20;
/// A long answer, or a batch of vectors.
const ENTRY_BYTES_MAX: usize = 1 << 20;
/// What a Redis that is near still gives within the time that a call waits for it.
const ENTRY_BYTES_LIMIT: usize = 16 << 20;

/// Reads the `cache` of an endpoint or a route.
pub(super) fn read(place: &Place<'_>, world: &World<'_>) -> Result<CacheConfig, ConfigError> {
    let mut table = place.table()?;
    let store = table.take("store").map(|it| store(&it, world)).transpose()?.unwrap_or_default();
    let ttl = table.take("ttl").map(|it| duration(&it)).transpose()?.unwrap_or(TTL);
    let namespace = table.take("namespace").map(|it| it.text().map(str::to_owned)).transpose()?;
    let bytes_place = table.take("max_bytes");
    let bytes_max = bytes_place.as_ref().map(bytes).transpose()?.unwrap_or(BYTES_MAX);
    let entry_place = table.take("max_entry_bytes");
    let entry_bytes_max = entry_place.as_ref().map(bytes).transpose()?.unwrap_or(ENTRY_BYTES_MAX.min(bytes_max));
    let share = table.take("share").map(|it| share(&it)).transpose()?.unwrap_or_default();
    let semantic = table.take("semantic").map(|it| semantic(&it)).transpose()?;
    table.finish(KEYS)?;
    if matches!(store, StoreKind::Redis(_)) {
        if let Some(place) = bytes_place {
            return Err(place.error(
                "counts nothing in Redis, which has a bound of its own: leave it out, and set `maxmemory` and \
                 `maxmemory-policy` there",
            ));
        }
        if let Some(place) = entry_place.filter(|_| entry_bytes_max > ENTRY_BYTES_LIMIT) {
            return Err(place
                .error(format!("must be at most {ENTRY_BYTES_LIMIT} bytes in Redis: an answer there is one message")));
        }
    } else if let Some(place) = entry_place.filter(|_| entry_bytes_max > bytes_max) {
        return Err(place.error(format!(
            "one answer may have {entry_bytes_max} bytes, but all together no more than {bytes_max}; lower it, or \
             raise `max_bytes`"
        )));
    }
    let namespace = namespace.unwrap_or_else(|| world.endpoint.to_owned());
    Ok(CacheConfig { store, ttl, namespace, bytes_max, entry_bytes_max, share, semantic })
}

fn semantic(place: &Place<'_>) -> Result<SemanticConfig, ConfigError> {
    let mut table = place.table()?;
    let endpoint = table.need("endpoint", "endpoint: the name of an endpoint of type llm/v1/embeddings")?;
    let threshold = table.take("threshold").map(|it| threshold(&it)).transpose()?.unwrap_or(THRESHOLD);
    let entries_max = match table.take("max_entries") {
        None => ENTRIES_MAX,
        Some(place) => match place.count(1)? {
            count if count <= ENTRIES_LIMIT => count as usize,
            _ => return Err(place.error(format!("must be at most {ENTRIES_LIMIT}: each lookup compares with all"))),
        },
    };
    table.finish(SEMANTIC_KEYS)?;
    let (line, key) = (endpoint.line(), endpoint.key().to_owned());
    Ok(SemanticConfig { endpoint: endpoint.text()?.to_owned(), threshold, entries_max, line, key })
}

fn threshold(place: &Place<'_>) -> Result<f32, ConfigError> {
    let number = place.digits().and_then(|it| it.parse().ok());
    number.filter(|it| (0.5..=1.0).contains(it)).ok_or_else(|| place.wrong("a number from 0.5 to 1"))
}

/// What turns questions into vectors must do that, and ask no judge: which might ask the cache again.
pub(super) fn check_vectors(config: &Config) -> Result<(), ConfigError> {
    let screens = config.endpoints.iter().map(|it| &it.screen).chain(config.routes.iter().map(|it| &it.screen));
    for semantic in screens.filter_map(|it| it.cache.as_ref()?.semantic.as_ref()) {
        let name = &semantic.endpoint;
        let wrong = |message: String| ConfigError::Invalid {
            file: config.file.clone(),
            line: semantic.line,
            key: semantic.key.clone(),
            message,
        };
        let Some((kind, asked, _)) = reached(config, name) else {
            return Err(wrong(format!("`{name}` is no endpoint or route of this file")));
        };
        if kind != Kind::Embeddings {
            return Err(wrong(format!("`{name}` is of type {kind}; name one of type {}", Kind::Embeddings)));
        }
        if asked.into_iter().flat_map(judges).next().is_some() {
            return Err(wrong(format!("`{name}` asks a judge; name one without a guardrail that asks a model")));
        }
    }
    Ok(())
}

fn store(place: &Place<'_>, world: &World<'_>) -> Result<StoreKind, ConfigError> {
    match place.text()? {
        "memory" => Ok(StoreKind::Memory),
        "database" => Ok(StoreKind::Database),
        "redis" => world.env.redis.cloned().map(StoreKind::Redis).ok_or_else(|| {
            place.error("needs the address of a Redis; write `redis: {url: redis://…}` beside `endpoints`")
        }),
        other => Err(place.error(format!("`{other}` keeps no answers; write `memory`, `database` or `redis`"))),
    }
}

fn share(place: &Place<'_>) -> Result<Share, ConfigError> {
    match place.text()? {
        "key" => Ok(Share::Key),
        "everyone" => Ok(Share::Everyone),
        other => Err(place.error(format!(
            "`{other}` is nobody to share with; write `key` to keep the answers of each caller's key apart, or \
             `everyone`"
        ))),
    }
}
