//! Secrets: keys of vendors, encrypted, and what is told of them.

use db::{OnConflict, Value as Bound};
use rest::python::dumps;
use rest::{Error, Result};
use serde_json::{Map, Value, json};

use super::{Store, now_ms, set};
use crate::admin::envelope::Sealed;

/// A secret to be kept.
#[derive(Clone)]
pub(in crate::admin) struct NewSecret {
    pub(in crate::admin) id: String,
    pub(in crate::admin) name: String,
    pub(in crate::admin) sealed: Sealed,
    pub(in crate::admin) masked: Value,
    pub(in crate::admin) provider: Option<String>,
    pub(in crate::admin) auth_config: Option<Value>,
    pub(in crate::admin) created_by: Option<String>,
}

/// What changes about a secret.
#[derive(Clone)]
pub(in crate::admin) struct SecretChange {
    /// The new value, encrypted, and how it is shown.
    pub(in crate::admin) value: Option<(Sealed, Value)>,
    /// The new settings; empty ones take them away.
    pub(in crate::admin) auth_config: Option<Map<String, Value>>,
    pub(in crate::admin) updated_by: Option<String>,
}

/// What anybody may know of a secret.
pub(in crate::admin) struct SecretInfo {
    pub(in crate::admin) secret_id: String,
    pub(in crate::admin) secret_name: String,
    masked_value: String,
    provider: Option<String>,
    auth_config: Option<String>,
    created_by: Option<String>,
    created_at: i64,
    last_updated_by: Option<String>,
    last_updated_at: i64,
}

db::record!(SecretInfo {
    secret_id,
    secret_name,
    masked_value,
    provider,
    auth_config,
    created_by,
    created_at,
    last_updated_by,
    last_updated_at,
});

const COLUMNS: &str = "secret_id, secret_name, masked_value, provider, auth_config, created_by, created_at, \
                       last_updated_by, last_updated_at";

const INSERTED: [&str; 12] = [
    "secret_id",
    "secret_name",
    "encrypted_value",
    "wrapped_dek",
    "kek_version",
    "masked_value",
    "provider",
    "auth_config",
    "created_by",
    "created_at",
    "last_updated_by",
    "last_updated_at",
];

impl SecretInfo {
    pub(in crate::admin) fn to_json(&self) -> Value {
        let mut json = Map::new();
        set(&mut json, "secret_id", Some(self.secret_id.as_str()));
        set(&mut json, "secret_name", Some(self.secret_name.as_str()));
        set(&mut json, "masked_values", object(Some(&self.masked_value)));
        set(&mut json, "created_at", Some(self.created_at));
        set(&mut json, "last_updated_at", Some(self.last_updated_at));
        set(&mut json, "provider", self.provider.as_deref());
        set(&mut json, "auth_config", object(self.auth_config.as_deref()));
        set(&mut json, "created_by", self.created_by.as_deref());
        set(&mut json, "last_updated_by", self.last_updated_by.as_deref());
        json.into()
    }
}

/// A column that holds an object, if it has any entries.
fn object(text: Option<&str>) -> Option<Value> {
    let value: Value = serde_json::from_str(text?).ok()?;
    value.as_object().is_some_and(|it| !it.is_empty()).then_some(value)
}

impl Store {
    pub(in crate::admin) async fn create_secret(&self, new: NewSecret) -> Result<SecretInfo> {
        let id = new.id.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let now = now_ms();
                    let values = vec![
                        new.id.into(),
                        new.name.as_str().into(),
                        Bound::Bytes(new.sealed.encrypted_value),
                        Bound::Bytes(new.sealed.wrapped_dek),
                        new.sealed.kek_version.into(),
                        dumps(&new.masked).into(),
                        new.provider.into(),
                        new.auth_config.as_ref().map(dumps).into(),
                        new.created_by.clone().into(),
                        now.into(),
                        new.created_by.into(),
                        now.into(),
                    ];
                    tx.insert_rows("secrets", &INSERTED, OnConflict::Error, values).await.map_err(|error| {
                        Error::taken(error, || format!("Secret with name '{}' already exists", new.name))
                    })?;
                    Ok::<_, Error>(())
                })
            })
            .await?;
        self.secret(&id).await
    }

    pub(in crate::admin) async fn secret(&self, id: &str) -> Result<SecretInfo> {
        let sql = format!("SELECT {COLUMNS} FROM secrets WHERE secret_id = ?");
        let found = self.db.fetch_optional(sql, vec![id.into()]).await?;
        found.ok_or_else(|| Error::no_such("GatewaySecret", "secret_id", id))
    }

    pub(in crate::admin) async fn secrets(&self, provider: Option<&str>) -> Result<Vec<SecretInfo>> {
        let (filter, args) = match provider {
            Some(provider) => (" WHERE provider = ?", vec![provider.into()]),
            None => ("", vec![]),
        };
        let sql = format!("SELECT {COLUMNS} FROM secrets{filter} ORDER BY created_at, secret_id");
        Ok(self.db.fetch_all(sql, args).await?)
    }

    pub(in crate::admin) async fn update_secret(&self, id: &str, change: SecretChange) -> Result<SecretInfo> {
        let mut sets = vec!["last_updated_by = ?", "last_updated_at = ?"];
        let mut args: Vec<Bound> = vec![change.updated_by.into(), now_ms().into()];
        if let Some((sealed, masked)) = change.value {
            sets.extend(["encrypted_value = ?", "wrapped_dek = ?", "kek_version = ?", "masked_value = ?"]);
            args.extend([
                Bound::Bytes(sealed.encrypted_value),
                Bound::Bytes(sealed.wrapped_dek),
                sealed.kek_version.into(),
                dumps(&masked).into(),
            ]);
        }
        if let Some(auth_config) = change.auth_config {
            sets.push("auth_config = ?");
            let text = (!auth_config.is_empty()).then(|| dumps(&auth_config));
            args.push(text.into());
        }
        args.push(id.into());
        let sql = format!("UPDATE secrets SET {} WHERE secret_id = ?", sets.join(", "));
        let owned = id.to_owned();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    match tx.execute(&sql, args).await? {
                        0 => Err(Error::no_such("GatewaySecret", "secret_id", &owned)),
                        _ => Ok(()),
                    }
                })
            })
            .await?;
        self.secret(id).await
    }

    /// Model definitions that use the secret stay, without one.
    pub(in crate::admin) async fn delete_secret(&self, id: String) -> Result<()> {
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    match tx.execute("DELETE FROM secrets WHERE secret_id = ?", vec![id.as_str().into()]).await? {
                        0 => Err(Error::no_such("GatewaySecret", "secret_id", &id)),
                        _ => Ok(()),
                    }
                })
            })
            .await
    }
}

/// How a secret is shown: `sk-...6789`, or `***` where that would tell too much of a short one.
pub(in crate::admin) fn masked(secret: &Map<String, Value>) -> Value {
    let mask = |value: &Value| {
        let letters: Vec<char> = value.as_str().unwrap_or_default().chars().collect();
        if letters.len() < 8 {
            return json!("***");
        }
        let (first, last): (String, String) =
            (letters[..3].iter().collect(), letters[letters.len() - 4..].iter().collect());
        json!(format!("{first}...{last}"))
    };
    secret.iter().map(|(name, value)| (name.clone(), mask(value))).collect::<Map<_, _>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_count_letters() {
        let secret = json!({"a": "sk-123456789", "b": "short", "c": "ünïcödés"});
        let shown = masked(secret.as_object().unwrap());
        assert_eq!(shown, json!({"a": "sk-...6789", "b": "***", "c": "ünï...ödés"}));
    }
}
