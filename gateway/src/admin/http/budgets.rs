//! `budgets/*`: how much may be spent, in which time, by whom, and what of it is spent.

use axum::extract::State;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use rest::{Error, Fields, Result};
use serde_json::{Map, Value, json};

use super::{listed, paged};
use crate::admin::Admin;
use crate::admin::budget::{ACTIONS, Scope, UNITS, Unit};
use crate::admin::page::Page;
use crate::admin::store::{BudgetChange, Target};

pub(super) fn routes() -> Router<Admin> {
    Router::new()
        .route("/budgets/create", post(create))
        .route("/budgets/get", get(read))
        .route("/budgets/update", post(update))
        .route("/budgets/delete", delete(remove))
        .route("/budgets/list", get(list))
        .route("/budgets/windows", get(windows))
}

async fn create(State(admin): State<Admin>, mut fields: Fields) -> Result<Json<Value>> {
    for name in ["budget_unit", "budget_amount", "duration", "target_scope", "budget_action"] {
        fields.need(name)?;
    }
    let by = fields.filled_text("created_by")?;
    let new = change(&mut fields, by)?;
    let unspecified = [
        ("budget_unit", new.unit.is_none()),
        ("target_scope", new.scope.is_none()),
        ("budget_action", new.action.is_none()),
    ];
    if let Some((name, _)) = unspecified.iter().find(|(_, is_unspecified)| *is_unspecified) {
        return Err(Error::invalid(format!("Invalid {name}: 0")));
    }
    Ok(one(admin.store().create_budget(new).await?))
}

async fn read(State(admin): State<Admin>, mut fields: Fields) -> Result<Json<Value>> {
    Ok(one(admin.store().budget(&fields.required_text("budget_policy_id")?).await?))
}

async fn update(State(admin): State<Admin>, mut fields: Fields) -> Result<Json<Value>> {
    let id = fields.required_text("budget_policy_id")?;
    let by = fields.filled_text("updated_by")?;
    let change = change(&mut fields, by)?;
    Ok(one(admin.store().update_budget(&id, change).await?))
}

async fn remove(State(admin): State<Admin>, mut fields: Fields) -> Result<Json<Value>> {
    admin.store().delete_budget(fields.required_text("budget_policy_id")?).await?;
    Ok(Json(json!({})))
}

async fn list(State(admin): State<Admin>, mut fields: Fields) -> Result<Json<Value>> {
    let page = Page::read(fields.integer("max_results")?, fields.filled_text("page_token")?.as_deref())?;
    let (budgets, token) = admin.store().budgets(page).await?;
    Ok(paged("budget_policies", budgets, token))
}

async fn windows(State(admin): State<Admin>) -> Result<Json<Value>> {
    Ok(listed("windows", admin.store().budget_windows().await?))
}

fn change(fields: &mut Fields, by: Option<String>) -> Result<BudgetChange> {
    let change = BudgetChange {
        unit: fields.member("budget_unit", &UNITS)?,
        amount: fields.finite_number("budget_amount")?,
        duration: duration(fields)?,
        scope: fields.member("target_scope", &Scope::ALL)?,
        action: fields.member("budget_action", &ACTIONS)?,
        target: match fields.text("target_value")? {
            None => Target::Unsaid,
            Some(text) if text.is_empty() => Target::None,
            Some(text) => Target::Some(text),
        },
        by,
    };
    if change.scope == Some(Scope::User) {
        return Err(Error::invalid(
            "USER-scoped budget policies require server authentication to be enabled. Without auth the gateway cannot \
             attribute requests to a user, so the policy would never take effect.",
        ));
    }
    Ok(change)
}

fn duration(fields: &mut Fields) -> Result<Option<(Unit, i64)>> {
    let Some(mut duration) = fields.object("duration")? else { return Ok(None) };
    let unit = duration.member("unit", &Unit::ALL)?.ok_or_else(|| Error::invalid("Invalid duration.unit: 0"))?;
    match duration.integer("value")?.unwrap_or_default() {
        value @ 1.. if i32::try_from(value).is_ok() => Ok(Some((unit, value))),
        value => Err(Error::invalid(format!("duration.value must be a positive integer, got {value}"))),
    }
}

fn one(budget: Value) -> Json<Value> {
    Json(Map::from_iter([("budget_policy".to_owned(), budget)]).into())
}
