//! `secrets/*`: create, read, change, delete and list the keys of vendors. No answer shows a value.

use axum::extract::State;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use rest::python::dumps;
use rest::{Error, Fields, Result};
use serde_json::{Map, Value, json};

use super::listed;
use crate::admin::Admin;
use crate::admin::store::{NewSecret, SecretChange, SecretInfo, masked, new_id};

pub(super) fn routes() -> Router<Admin> {
    Router::new()
        .route("/secrets/create", post(create))
        .route("/secrets/get", get(read))
        .route("/secrets/update", post(update))
        .route("/secrets/delete", delete(remove))
        .route("/secrets/list", get(list))
}

/// What MLflow's web app asks, and nobody else.
pub(super) fn page_routes() -> Router<Admin> {
    Router::new().route("/secrets/config", get(config))
}

async fn create(State(admin): State<Admin>, mut fields: Fields) -> Result<Json<Value>> {
    let name = fields.required_text("secret_name")?;
    let secret = secret_value(&mut fields)?;
    let provider = fields.filled_text("provider")?;
    let created_by = fields.filled_text("created_by")?;
    let auth_config = auth_config(&admin, fields.secrets("auth_config")?).await?;
    check_secret(&secret)?;
    let id = new_id("s");
    let shown = masked(&secret);
    let sealed = admin.keyring().seal(&dumps(&secret), &id, &name).await?;
    let auth_config = Some(auth_config).filter(|it| !it.is_empty()).map(Value::from);
    let new = NewSecret { id, name, sealed, masked: shown, provider, auth_config, created_by };
    let info = admin.store().create_secret(new).await?;
    Ok(Json(json!({"secret": info.to_json()})))
}

async fn read(State(admin): State<Admin>, mut fields: Fields) -> Result<Json<Value>> {
    let info = admin.store().secret(&fields.required_text("secret_id")?).await?;
    Ok(Json(json!({"secret": info.to_json()})))
}

async fn update(State(admin): State<Admin>, mut fields: Fields) -> Result<Json<Value>> {
    let id = fields.required_text("secret_id")?;
    let updated_by = fields.filled_text("updated_by")?;
    let given = fields.secrets("auth_config")?;
    // Settings of which nothing is left (a blank `api_base`) are taken away; none at all stay as they are.
    let auth_config = if given.is_empty() { None } else { Some(auth_config(&admin, given).await?) };
    let secret = fields.secrets("secret_value")?;
    check_secret(&secret)?;
    let value = if secret.is_empty() {
        None
    } else {
        let shown = masked(&secret);
        let name = admin.store().secret(&id).await?.secret_name;
        Some((admin.keyring().seal(&dumps(&secret), &id, &name).await?, shown))
    };
    let info = admin.store().update_secret(&id, SecretChange { value, auth_config, updated_by }).await?;
    Ok(Json(json!({"secret": info.to_json()})))
}

async fn remove(State(admin): State<Admin>, mut fields: Fields) -> Result<Json<Value>> {
    admin.store().delete_secret(fields.required_text("secret_id")?).await?;
    Ok(Json(json!({})))
}

async fn list(State(admin): State<Admin>, mut fields: Fields) -> Result<Json<Value>> {
    let secrets = admin.store().secrets(fields.filled_text("provider")?.as_deref()).await?;
    Ok(listed("secrets", secrets.iter().map(SecretInfo::to_json).collect()))
}

/// `GET secrets/config`: whether there is a key of one's own to encrypt with.
async fn config(State(admin): State<Admin>) -> Json<Value> {
    Json(json!({"secrets_available": true, "using_default_passphrase": admin.keyring().is_default()}))
}

/// The value of a secret to be made. An absent one is empty, as MLflow has it; `null` is none.
fn secret_value(fields: &mut Fields) -> Result<Map<String, Value>> {
    if fields.is_null("secret_value") {
        return Err(Error::invalid("Missing value for required parameter 'secret_value'."));
    }
    fields.secrets("secret_value")
}

/// Names under which LiteLLM would be told where to send calls; MLflow takes none of them, and `api_base` in settings
/// alone, where it is checked.
const DESTINATIONS: [&str; 5] = ["api_base", "base_url", "custom_llm_provider", "fallbacks", "model_list"];

/// Settings without a blank `api_base`, and with no address but one that may be called.
async fn auth_config(admin: &Admin, mut given: Map<String, Value>) -> Result<Map<String, Value>> {
    let reserved: Vec<String> =
        DESTINATIONS[1..].iter().filter(|it| given.contains_key(**it)).map(|it| format!("'{it}'")).collect();
    if !reserved.is_empty() {
        return Err(Error::invalid(format!(
            "auth_config must not contain {}: these LiteLLM options choose where the gateway sends requests. Set the \
             upstream with 'api_base', which is validated.",
            reserved.join(", ")
        )));
    }
    let Some(address) = given.get("api_base").and_then(Value::as_str).map(|it| it.trim().to_owned()) else {
        return Ok(given);
    };
    if address.is_empty() {
        given.shift_remove("api_base");
        return Ok(given);
    }
    admin.destinations().check(&address).await?;
    given.insert("api_base".to_owned(), address.into());
    Ok(given)
}

fn check_secret(secret: &Map<String, Value>) -> Result<()> {
    let reserved: Vec<String> =
        DESTINATIONS.iter().filter(|it| secret.contains_key(**it)).map(|it| format!("'{it}'")).collect();
    if reserved.is_empty() {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "secret_value must not contain {}: these keys choose where the gateway sends requests. Set the upstream with \
         'api_base' in auth_config, where it is validated.",
        reserved.join(", ")
    )))
}
