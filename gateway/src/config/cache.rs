//! The `cache` of an endpoint or a route.

use std::time::Duration;

use super::measures::{bytes, duration};
use super::tree::Place;
use crate::ConfigError;
use crate::cache::{CacheConfig, Share, StoreKind};

const KEYS: &[&str] = &["store", "ttl", "namespace", "max_bytes", "max_entry_bytes", "share"];

/// An answer that is an hour old still says what the model would say; facts in prompts change more slowly.
const TTL: Duration = Duration::from_hours(1);
/// Some ten thousand answers.
const BYTES_MAX: usize = 64 << 20;
/// A long answer, or a batch of vectors.
const ENTRY_BYTES_MAX: usize = 1 << 20;

/// Reads the `cache` of what is called `name`.
pub(super) fn read(place: &Place<'_>, name: &str) -> Result<CacheConfig, ConfigError> {
    let mut table = place.table()?;
    let store = table.take("store").map(|it| store(&it)).transpose()?.unwrap_or_default();
    let ttl = table.take("ttl").map(|it| duration(&it)).transpose()?.unwrap_or(TTL);
    let namespace = table.take("namespace").map(|it| it.text().map(str::to_owned)).transpose()?;
    let bytes_max = table.take("max_bytes").map(|it| bytes(&it)).transpose()?.unwrap_or(BYTES_MAX);
    let entry_place = table.take("max_entry_bytes");
    let entry_bytes_max = entry_place.as_ref().map(bytes).transpose()?.unwrap_or(ENTRY_BYTES_MAX.min(bytes_max));
    let share = table.take("share").map(|it| share(&it)).transpose()?.unwrap_or_default();
    table.finish(KEYS)?;
    if let Some(place) = entry_place.filter(|_| entry_bytes_max > bytes_max) {
        return Err(place.error(format!(
            "one answer may have {entry_bytes_max} bytes, but all together no more than {bytes_max}; lower it, or \
             raise `max_bytes`"
        )));
    }
    let namespace = namespace.unwrap_or_else(|| name.to_owned());
    Ok(CacheConfig { store, ttl, namespace, bytes_max, entry_bytes_max, share })
}

fn store(place: &Place<'_>) -> Result<StoreKind, ConfigError> {
    match place.text()? {
        "memory" => Ok(StoreKind::Memory),
        "database" => Ok(StoreKind::Database),
        other => Err(place.error(format!("`{other}` keeps no answers; write `memory` or `database`"))),
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
