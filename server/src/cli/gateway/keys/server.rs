//! Keys of a running gateway, over its REST API.

use std::{env, fs};

use anyhow::{Context, bail};
use http::Method;
use serde_json::{Value, json};

use super::entry::NewKey;
use crate::cli::{
    output::{JsonLines, cell, field, moment, print, table, whole},
    records::{Records, encode},
};

const KEYS: &str = "/api/3.0/tidegate/gateway/keys";

/// The gateway that keeps the keys.
#[derive(Debug, clap::Args)]
pub(in crate::cli::gateway) struct Server {
    /// The gateway (`http://host:5000`).
    #[arg(long, value_name = "URL", env = "TIDEGATE_SERVER")]
    pub(super) server: String,
}

impl Server {
    fn open(&self) -> anyhow::Result<Records> {
        Records::signed_in(&self.server, admin_key()?)
    }

    pub(super) async fn create(&self, new: &NewKey, as_json: bool) -> anyhow::Result<()> {
        let mut body = new.fields();
        body.insert("name".to_owned(), json!(new.name));
        let made = self.open()?.json(Method::POST, KEYS, Some(&body.into())).await?;
        once(&made, as_json)
    }

    pub(super) async fn list(&self, as_json: bool) -> anyhow::Result<()> {
        let records = self.open()?;
        let mut lines = JsonLines::default();
        let mut shown = table(["name", "key", "user", "team", "endpoints", "state", "expires (UTC)", "created (UTC)"]);
        let mut token = String::new();
        loop {
            let target = format!("{KEYS}?max_results=1000&page_token={}", encode(&token));
            let mut page = records.json(Method::GET, &target, None).await?;
            for key in page["keys"].as_array_mut().map(std::mem::take).unwrap_or_default() {
                if as_json {
                    lines.entry(&key)?;
                    continue;
                }
                shown.add_row([
                    field(&key, "name"),
                    field(&key, "hint"),
                    field(&key, "user"),
                    field(&key, "team"),
                    endpoints(&key),
                    state(&key).to_owned(),
                    moment(whole(&key, "expires_ms")),
                    moment(whole(&key, "created_ms")),
                ]);
            }
            match page["next_page_token"].as_str() {
                Some(next) => next.clone_into(&mut token),
                None => break,
            }
        }
        if as_json { lines.finish() } else { print(&shown.to_string()) }
    }

    pub(super) async fn show(&self, name: &str, as_json: bool) -> anyhow::Result<()> {
        let shown = self.open()?.json(Method::GET, &address(name), None).await?;
        described(&shown["key"], as_json)
    }

    pub(super) async fn rotate(&self, name: &str, overlap_s: Option<u64>, as_json: bool) -> anyhow::Result<()> {
        let body = overlap_s.map_or_else(|| json!({}), |it| json!({"overlap_s": it}));
        let made = self.open()?.json(Method::POST, &format!("{}/rotate", address(name)), Some(&body)).await?;
        once(&made, as_json)
    }

    pub(super) async fn revoke(&self, name: &str, as_json: bool) -> anyhow::Result<()> {
        let target = format!("{}/revoke", address(name));
        let revoked = self.open()?.json(Method::POST, &target, Some(&json!({}))).await?;
        if as_json {
            return described(&revoked["key"], true);
        }
        print(&format!("The key '{name}' opens nothing any more."))
    }

    pub(super) async fn delete(&self, name: &str, as_json: bool) -> anyhow::Result<()> {
        let deleted = self.open()?.json(Method::DELETE, &address(name), None).await?;
        print(&if as_json { deleted.to_string() } else { format!("The key '{name}' is deleted.") })
    }
}

fn address(name: &str) -> String {
    format!("{KEYS}/{}", encode(name))
}

/// The admin key: secrets stand in no command line, where other users of the machine see them.
fn admin_key() -> anyhow::Result<String> {
    let variable = |name: &str| env::var(name).ok().filter(|it| !it.trim().is_empty());
    if let Some(key) = variable("TIDEGATE_ADMIN_KEY") {
        return Ok(key.trim().to_owned());
    }
    let Some(file) = variable("TIDEGATE_ADMIN_KEY_FILE") else {
        bail!(
            "the gateway's admin key is needed; set TIDEGATE_ADMIN_KEY, or TIDEGATE_ADMIN_KEY_FILE to a file that holds it"
        );
    };
    let key = fs::read_to_string(file.trim())
        .with_context(|| format!("TIDEGATE_ADMIN_KEY_FILE names {file}, which cannot be read"))?;
    Ok(key.trim().to_owned())
}

/// Prints a new key, which nobody will be shown again.
fn once(made: &Value, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return print(&made.to_string());
    }
    let until = whole(&made["key"], "replaced_until_ms")
        .map_or_else(String::new, |it| format!("\nThe key before it opens until {} (UTC).", moment(Some(it))));
    print(&format!("{}\n\nThis is the only time that the key is shown.{until}", field(made, "value")))
}

fn described(key: &Value, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return print(&format!("{key:#}"));
    }
    let mut shown = table(["field", "value"]);
    shown.add_row(["name", &field(key, "name")]);
    shown.add_row(["key", &field(key, "hint")]);
    shown.add_row(["state", state(key)]);
    for name in ["user", "team"] {
        shown.add_row([name, &field(key, name)]);
    }
    shown.add_row(["endpoints", &endpoints(key)]);
    for name in ["limits", "budgets", "metadata"] {
        shown.add_row([name, &cell(&key[name].to_string())]);
    }
    for (name, title) in [
        ("expires_ms", "expires (UTC)"),
        ("created_ms", "created (UTC)"),
        ("rotated_ms", "replaced (UTC)"),
        ("replaced_until_ms", "old key opens until (UTC)"),
        ("revoked_ms", "revoked (UTC)"),
    ] {
        shown.add_row([title, &moment(whole(key, name))]);
    }
    print(&shown.to_string())
}

fn endpoints(key: &Value) -> String {
    let names = key["endpoints"].as_array();
    names.map_or_else(
        || "all".to_owned(),
        |it| cell(&it.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")),
    )
}

fn state(key: &Value) -> &'static str {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |it| it.as_millis());
    let has_expired = whole(key, "expires_ms").and_then(|it| u128::try_from(it).ok()).is_some_and(|it| it <= now);
    if !key["revoked_ms"].is_null() {
        "revoked"
    } else if key["disabled"] == true {
        "disabled"
    } else if has_expired {
        "expired"
    } else {
        "open"
    }
}
