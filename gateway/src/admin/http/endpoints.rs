//! `endpoints/*`: names by which models are called, and the models behind them.

use axum::extract::State;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use rest::{Error, Fields, Result};
use serde_json::{Value, json};

use super::listed;
use crate::admin::Admin;
use crate::admin::store::{
    Endpoint, EndpointChange, Fallback, Linkage, NewEndpoint, NewMapping, TRAFFIC_SPLIT, new_id,
};

pub(super) fn routes() -> Router<Admin> {
    Router::new()
        .route("/endpoints/create", post(create))
        .route("/endpoints/get", get(read))
        .route("/endpoints/update", post(update))
        .route("/endpoints/delete", delete(remove))
        .route("/endpoints/list", get(list))
        .route("/endpoints/models/attach", post(attach))
        .route("/endpoints/models/detach", post(detach))
}

/// Models that one endpoint may have: each is a connection to check and a part of a price list; more are a mistake.
const MODELS_MAX: usize = 256;

async fn create(State(admin): State<Admin>, mut fields: Fields) -> Result<Json<Value>> {
    let name = fields.required_text("name")?;
    let created_by = fields.filled_text("created_by")?;
    if !fields.has("model_configs") {
        return Err(fields.missing("model_configs"));
    }
    let configs = fields.objects("model_configs")?;
    check_name(&name)?;
    let mut new = NewEndpoint {
        id: new_id("e"),
        name,
        splits_traffic: splits_traffic(&mut fields)?,
        fallback: fallback(&mut fields)?,
        models: models(configs)?,
        experiment_id: experiment_id(&mut fields)?,
        usage_tracking: fields.boolean("usage_tracking")?.unwrap_or(true),
        created_by,
    };
    if new.models.is_empty() {
        return Err(Error::invalid("Endpoint must have at least one model configuration"));
    }
    admin.store().check_new_endpoint(new.clone()).await?;
    if new.usage_tracking && new.experiment_id.is_none() {
        new.experiment_id = Some(admin.experiment_of(&new.id, &new.name).await?);
    }
    Ok(one(&admin.store().create_endpoint(new).await?))
}

async fn read(State(admin): State<Admin>, mut fields: Fields) -> Result<Json<Value>> {
    let (id, name) = (fields.filled_text("endpoint_id")?, fields.filled_text("name")?);
    let endpoint = match (id, name) {
        (Some(id), None) => admin.store().endpoint("endpoint_id", id).await?,
        (None, Some(name)) => admin.store().endpoint("name", name).await?,
        _ => return Err(Error::invalid("Exactly one of endpoint_id or name must be provided")),
    };
    Ok(one(&endpoint))
}

async fn update(State(admin): State<Admin>, mut fields: Fields) -> Result<Json<Value>> {
    let id = fields.required_text("endpoint_id")?;
    let name = fields.filled_text("name")?;
    let updated_by = fields.filled_text("updated_by")?;
    if let Some(name) = &name {
        check_name(name)?;
    }
    let mut change = EndpointChange {
        splits_traffic: splits_traffic(&mut fields)?,
        fallback: fallback(&mut fields)?,
        // No models at all mean that they stay as they are.
        models: Some(fields.objects("model_configs")?).filter(|it| !it.is_empty()).map(models).transpose()?,
        experiment_id: experiment_id(&mut fields)?,
        usage_tracking: fields.boolean("usage_tracking")?,
        name,
        updated_by,
    };
    if change.usage_tracking == Some(true) && change.experiment_id.is_none() {
        let row = admin.store().endpoint("endpoint_id", id.clone()).await?.row;
        if row.experiment_id.is_none() {
            let name = change.name.clone().or(row.name).unwrap_or_default();
            change.experiment_id = Some(admin.experiment_of(&id, &name).await?);
        }
    }
    Ok(one(&admin.store().update_endpoint(&id, change).await?))
}

async fn remove(State(admin): State<Admin>, mut fields: Fields) -> Result<Json<Value>> {
    admin.store().delete_endpoint(fields.required_text("endpoint_id")?).await?;
    Ok(Json(json!({})))
}

async fn list(State(admin): State<Admin>, mut fields: Fields) -> Result<Json<Value>> {
    let endpoints = admin.store().endpoints(fields.filled_text("provider")?).await?;
    Ok(listed("endpoints", endpoints.iter().map(Endpoint::to_json).collect()))
}

async fn attach(State(admin): State<Admin>, mut fields: Fields) -> Result<Json<Value>> {
    let id = fields.required_text("endpoint_id")?;
    let config = fields.object("model_config")?.ok_or_else(|| fields.missing("model_config"))?;
    let created_by = fields.filled_text("created_by")?;
    let mapping = admin.store().attach(id, model(config, "model_config")?, created_by).await?;
    Ok(Json(json!({"mapping": mapping})))
}

async fn detach(State(admin): State<Admin>, mut fields: Fields) -> Result<Json<Value>> {
    let id = fields.required_text("endpoint_id")?;
    admin.store().detach(id, fields.required_text("model_definition_id")?).await?;
    Ok(Json(json!({})))
}

fn one(endpoint: &Endpoint) -> Json<Value> {
    Json(json!({"endpoint": endpoint.to_json()}))
}

/// A name that can stand in an address.
fn check_name(name: &str) -> Result<()> {
    if name.chars().all(|it| it.is_ascii_alphanumeric() || matches!(it, '_' | '-' | '.')) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "Invalid endpoint name '{name}'. Name can only contain letters, numbers, underscores, hyphens, and dots."
    )))
}

fn splits_traffic(fields: &mut Fields) -> Result<bool> {
    Ok(fields.member("routing_strategy", &[(TRAFFIC_SPLIT, ())])?.is_some())
}

fn fallback(fields: &mut Fields) -> Result<Option<Fallback>> {
    let Some(mut config) = fields.object("fallback_config")? else { return Ok(None) };
    Ok(Some(Fallback {
        is_sequential: config.member("strategy", &[("SEQUENTIAL", ())])?.is_some(),
        max_attempts: config.integer("max_attempts")?,
    }))
}

fn experiment_id(fields: &mut Fields) -> Result<Option<i64>> {
    let Some(text) = fields.text("experiment_id")? else { return Ok(None) };
    let parsed = text.parse().map_err(|_| {
        Error::invalid(format!(
            "Invalid experiment ID '{text}'. Experiment IDs must be numeric for this tracking store."
        ))
    });
    parsed.map(Some)
}

fn models(configs: Vec<Fields>) -> Result<Vec<NewMapping>> {
    if configs.len() > MODELS_MAX {
        return Err(Error::invalid(format!(
            "`model_configs` names {} models; an endpoint has {MODELS_MAX} at most",
            configs.len()
        )));
    }
    configs.into_iter().enumerate().map(|(at, it)| model(it, &format!("model_configs[{at}]"))).collect()
}

fn model(mut config: Fields, place: &str) -> Result<NewMapping> {
    let linkage = config.member("linkage_type", &Linkage::ALL).ok().flatten().ok_or_else(|| {
        Error::invalid(format!(
            "Invalid or missing value for required parameter 'linkage_type' in {place}. Must be one of: PRIMARY, \
             FALLBACK."
        ))
    })?;
    #[expect(clippy::cast_possible_truncation, reason = "the protocol's weights have 32 bits")]
    let weight = config.finite_number("weight")?.unwrap_or(1.0) as f32;
    if !weight.is_finite() || weight < 0.0 {
        return Err(Error::invalid(format!("`weight` in {place} must be a number from 0, such as 1.0")));
    }
    Ok(NewMapping {
        model_definition_id: config.filled_text("model_definition_id")?.unwrap_or_default(),
        linkage,
        weight,
        fallback_order: config.integer("fallback_order")?,
    })
}
