//! A key as its row has it, and what a request may say of it.

use std::sync::Arc;

use rest::Error;
use serde_json::{Map, Value, json};

use crate::access::{Hash, Identity, VirtualKey};
use crate::config;

/// Characters of a name, a user, a team, or an endpoint.
const NAME_CHARS_MAX: usize = 200;
/// Endpoints that a key may name.
const ENDPOINTS_MAX: usize = 100;
/// Bytes of a key's metadata, as JSON.
const METADATA_BYTES_MAX: usize = 4096;

/// A row of `tidegate_keys`. Times are milliseconds since the epoch; tables and lists are JSON.
#[derive(Clone, Debug, Default)]
pub(super) struct KeyRow {
    pub(super) name: String,
    pub(super) key_hash: String,
    /// The hash of the key that was replaced last, and until when it opens.
    pub(super) replaced_hash: Option<String>,
    pub(super) replaced_until: Option<i64>,
    /// The end of the key, by which its owner knows it again.
    pub(super) hint: String,
    pub(super) user_name: Option<String>,
    pub(super) team: Option<String>,
    pub(super) endpoints: Option<String>,
    pub(super) limits: Option<String>,
    pub(super) budgets: Option<String>,
    pub(super) metadata: Option<String>,
    pub(super) expires_at: Option<i64>,
    pub(super) is_disabled: i64,
    pub(super) revoked_at: Option<i64>,
    pub(super) created_at: i64,
    pub(super) rotated_at: Option<i64>,
    pub(super) changed_at: i64,
    /// A number of chance that changes with the row.
    pub(super) revision: i64,
}

db::record!(KeyRow {
    name,
    key_hash,
    replaced_hash,
    replaced_until,
    hint,
    user_name,
    team,
    endpoints,
    limits,
    budgets,
    metadata,
    expires_at,
    is_disabled,
    revoked_at,
    created_at,
    rotated_at,
    changed_at,
    revision,
});

pub(super) const COLUMNS: [&str; 18] = [
    "name",
    "key_hash",
    "replaced_hash",
    "replaced_until",
    "hint",
    "user_name",
    "team",
    "endpoints",
    "limits",
    "budgets",
    "metadata",
    "expires_at",
    "is_disabled",
    "revoked_at",
    "created_at",
    "rotated_at",
    "changed_at",
    "revision",
];

impl KeyRow {
    /// A key that nothing is said of but its name.
    pub(super) fn named(name: String) -> Result<Self, Error> {
        let is_plain = |it: char| it.is_ascii_alphanumeric() || "-_.@".contains(it);
        if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(is_plain) {
            return Err(Error::invalid(format!(
                "`{}` is no name of a key; it has 1 to {NAME_CHARS_MAX} letters, digits, `-`, `_`, `.` and `@`",
                shown(&name)
            )));
        }
        Ok(Self { name, ..Self::default() })
    }

    /// Takes what a request says; what it leaves out stays, and `null` clears.
    pub(super) fn apply(&mut self, fields: Map<String, Value>) -> Result<(), Error> {
        for (field, value) in fields {
            match field.as_str() {
                "user" => self.user_name = text(&field, value)?,
                "team" => self.team = text(&field, value)?,
                "endpoints" => self.endpoints = endpoints(value)?,
                "expires" => self.expires_at = moment(&value)?,
                "disabled" => self.is_disabled = truth(&field, &value)?.into(),
                "metadata" => self.metadata = metadata(&value)?,
                "limits" => self.limits = rules("limits", &value)?,
                "budgets" => self.budgets = rules("budgets", &value)?,
                _ => {
                    return Err(Error::invalid(format!(
                        "a key has no field `{}`; it has user, team, endpoints, expires, disabled, metadata, limits and \
                         budgets",
                        shown(&field)
                    )));
                }
            }
        }
        Ok(())
    }

    /// What is shown of it: everything but the hash.
    pub(super) fn to_json(&self) -> Value {
        let parsed = |text: &Option<String>| text.as_deref().and_then(|it| serde_json::from_str::<Value>(it).ok());
        json!({
            "name": self.name,
            "hint": self.hint,
            "user": self.user_name,
            "team": self.team,
            "endpoints": parsed(&self.endpoints),
            "limits": parsed(&self.limits).unwrap_or_else(|| json!([])),
            "budgets": parsed(&self.budgets).unwrap_or_else(|| json!([])),
            "metadata": parsed(&self.metadata).unwrap_or_else(|| json!({})),
            "expires_ms": self.expires_at,
            "disabled": self.is_disabled != 0,
            "revoked_ms": self.revoked_at,
            "created_ms": self.created_at,
            "rotated_ms": self.rotated_at,
            "replaced_until_ms": self.replaced_until,
            "changed_ms": self.changed_at,
        })
    }

    /// The key as calls meet it.
    pub(super) fn into_key(self) -> Result<VirtualKey, String> {
        let hash = |text: &str| Hash::parse(text).ok_or_else(|| "its hash is none".to_owned());
        let json = |text: Option<&str>| {
            text.map_or(Ok(Value::Null), serde_json::from_str).map_err(|error| format!("it holds no JSON: {error}"))
        };
        let endpoints: Option<Vec<String>> = serde_json::from_value(json(self.endpoints.as_deref())?)
            .map_err(|_| "its endpoints are no list of names")?;
        let mut rules = config::rules_of_key("limits", &json(self.limits.as_deref())?)?;
        rules.extend(config::rules_of_key("budgets", &json(self.budgets.as_deref())?)?);
        let replaced = match (&self.replaced_hash, self.replaced_until) {
            (Some(text), Some(until)) => Some((hash(text)?, until.div_euclid(1000))),
            _ => None,
        };
        Ok(VirtualKey {
            hashes: vec![hash(&self.key_hash)?],
            identity: Arc::new(Identity { key: self.name, user: self.user_name, team: self.team }),
            replaced,
            endpoints,
            expires_unix_s: self.expires_at.map(|it| it.div_euclid(1000)),
            is_disabled: self.is_disabled != 0 || self.revoked_at.is_some(),
            rules,
        })
    }
}

/// The beginning of a text that somebody sent, for a message.
pub(super) fn shown(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    let mut shown: String = text.chars().take(CHARS_MAX).filter(|it| !it.is_control()).collect();
    if text.chars().nth(CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

fn text(field: &str, value: Value) -> Result<Option<String>, Error> {
    match value {
        Value::Null => Ok(None),
        Value::String(text)
            if (1..=NAME_CHARS_MAX).contains(&text.chars().count()) && !text.chars().any(char::is_control) =>
        {
            Ok(Some(text))
        }
        _ => Err(Error::invalid(format!("`{field}` is a text of 1 to {NAME_CHARS_MAX} characters, or null"))),
    }
}

fn truth(field: &str, value: &Value) -> Result<bool, Error> {
    value.as_bool().ok_or_else(|| Error::invalid(format!("`{field}` is true or false")))
}

fn endpoints(value: Value) -> Result<Option<String>, Error> {
    let wrong = || {
        Error::invalid(format!(
            "`endpoints` is a list of at most {ENDPOINTS_MAX} names of endpoints or routes, or null for all of them"
        ))
    };
    let Value::Array(items) = value else { return if value.is_null() { Ok(None) } else { Err(wrong()) } };
    let are_names = items.iter().all(|it| it.as_str().is_some_and(|it| (1..=NAME_CHARS_MAX).contains(&it.len())));
    if items.len() > ENDPOINTS_MAX || !are_names {
        return Err(wrong());
    }
    Ok(Some(Value::Array(items).to_string()))
}

fn metadata(value: &Value) -> Result<Option<String>, Error> {
    match value {
        Value::Null => Ok(None),
        Value::Object(_) if value.to_string().len() <= METADATA_BYTES_MAX => Ok(Some(value.to_string())),
        _ => Err(Error::invalid(format!("`metadata` is an object of at most {METADATA_BYTES_MAX} bytes, or null"))),
    }
}

/// Limits or budgets, kept as they were written once they are found to say something.
fn rules(field: &'static str, value: &Value) -> Result<Option<String>, Error> {
    config::rules_of_key(field, value).map_err(Error::Invalid)?;
    Ok(if value.is_null() { None } else { Some(value.to_string()) })
}

/// A day or a moment as the configuration has them, or milliseconds since the epoch.
fn moment(value: &Value) -> Result<Option<i64>, Error> {
    let said = match value {
        Value::Null => return Ok(None),
        Value::Number(number) => number.as_i64().filter(|it| *it > 0),
        Value::String(text) => config::moment_of(text).and_then(|it| it.checked_mul(1000)),
        _ => None,
    };
    said.map(Some).ok_or_else(|| {
        Error::invalid(
            "`expires` is a day, \"2027-01-31\", a moment, \"2027-01-31T18:00:00Z\", milliseconds since the epoch, or null",
        )
    })
}
