//! The `keys` of the configuration: who may call.

use std::sync::Arc;

use time::format_description::well_known::Rfc3339;
use time::{Date, Month, OffsetDateTime};

use super::quotas;
use super::settings::{Outside, World, expand};
use super::tree::Place;
use crate::ConfigError;
use crate::access::{Hash, Hasher, Identity, VirtualKey};

/// Keys at most; more people than this call through keys of their teams.
const KEYS_MAX: usize = 100_000;
const KEYS: &[&str] = &["name", "key", "hash", "user", "team", "endpoints", "expires", "disabled", "limits", "budgets"];

/// Reads the list of keys.
pub(super) fn read(place: &Place<'_>, env: &Outside<'_>, hasher: &Hasher) -> Result<Vec<Arc<VirtualKey>>, ConfigError> {
    let places = place.list()?;
    if places.len() > KEYS_MAX {
        return Err(place.error(format!("has more than {KEYS_MAX} keys; give keys to teams instead")));
    }
    let mut keys: Vec<Arc<VirtualKey>> = Vec::with_capacity(places.len());
    for place in &places {
        let key = key(place, env, hasher)?;
        let is_taken = |it: &&Arc<VirtualKey>| it.identity.key == key.identity.key;
        if keys.iter().any(|it| is_taken(&it)) {
            return Err(place.error(format!("another key is named `{}`; choose another name", key.identity.key)));
        }
        keys.push(Arc::new(key));
    }
    Ok(keys)
}

/// Reads `auth`: whether callers need a key even where there is none yet.
pub(super) fn auth(place: &Place<'_>) -> Result<bool, ConfigError> {
    match place.text()? {
        "required" => Ok(true),
        "with_keys" => Ok(false),
        other => Err(place.error(format!(
            "`{other}` is no choice; write `required`, so that every call needs a key, or `with_keys`, the default: as \
             soon as there is one"
        ))),
    }
}

fn key(place: &Place<'_>, env: &Outside<'_>, hasher: &Hasher) -> Result<VirtualKey, ConfigError> {
    let mut table = place.table()?;
    let name = table.need("name", "name: whose key this is")?.text()?.to_owned();
    let mut hashes = Vec::new();
    if let Some(place) = table.take("key") {
        let key = expand(&place, &World { env, endpoint: &name })?;
        if key.len() < 16 {
            return Err(place.error(
                "has less than 16 characters, which can be guessed; `tidegate gateway keys create` makes keys",
            ));
        }
        hashes.push(hasher.hash(&key));
    }
    if let Some(place) = table.take("hash") {
        for place in one_or_many(&place)? {
            let hash = Hash::parse(place.text()?).ok_or_else(|| {
                place.error("must be `sha256:` and 64 hexadecimal digits; `tidegate gateway keys create` prints it")
            })?;
            if hash.is_peppered() && !hasher.is_peppered() {
                return Err(place.error(
                    "was made with a pepper; set TIDEGATE_KEY_PEPPER or TIDEGATE_KEY_PEPPER_FILE to the same one",
                ));
            }
            hashes.push(hash);
        }
    }
    if hashes.is_empty() {
        return Err(place.error(format!(
            "the key `{name}` opens nothing; write the `hash` that `tidegate gateway keys create` prints, or `key: $VARIABLE`"
        )));
    }
    let text = |place: Place<'_>| place.text().map(str::to_owned);
    let user = table.take("user").map(text).transpose()?;
    let team = table.take("team").map(text).transpose()?;
    let endpoints = table.take("endpoints").map(|it| names(&it)).transpose()?;
    let expires_unix_s = table.take("expires").map(|it| moment(&it)).transpose()?;
    let is_disabled = table.take("disabled").map(|it| it.bool()).transpose()?.unwrap_or(false);
    let mut rules = table.take("limits").map(|it| quotas::limits_of_key(&it)).transpose()?.unwrap_or_default();
    rules.extend(table.take("budgets").map(|it| quotas::budgets_of_key(&it)).transpose()?.unwrap_or_default());
    table.finish(KEYS)?;
    let identity = Arc::new(Identity { key: name, user, team });
    Ok(VirtualKey { identity, hashes, replaced: None, endpoints, expires_unix_s, is_disabled, rules })
}

/// A list of names, or one.
pub(super) fn names(place: &Place<'_>) -> Result<Vec<String>, ConfigError> {
    one_or_many(place)?.iter().map(|it| it.text().map(str::to_owned)).collect()
}

fn one_or_many<'a>(place: &Place<'a>) -> Result<Vec<Place<'a>>, ConfigError> {
    if place.is_list() { place.list() } else { Ok(vec![place.clone()]) }
}

/// A day, of which the key sees no minute any more, or a moment.
fn moment(place: &Place<'_>) -> Result<i64, ConfigError> {
    let text = place.text()?.trim();
    unix_s_of(text).ok_or_else(|| {
        place.error(format!("`{text}` is no moment; write a day, `2027-01-31`, or `2027-01-31T18:00:00Z`"))
    })
}

/// A day or a moment, in seconds since 1970.
pub(super) fn unix_s_of(text: &str) -> Option<i64> {
    day(text).or_else(|| OffsetDateTime::parse(text, &Rfc3339).ok()).map(OffsetDateTime::unix_timestamp)
}

fn day(text: &str) -> Option<OffsetDateTime> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let month = Month::try_from(month.parse::<u8>().ok()?).ok()?;
    let date = Date::from_calendar_date(year.parse().ok()?, month, day.parse().ok()?).ok()?;
    parts.next().is_none().then(|| date.midnight().assume_utc())
}
