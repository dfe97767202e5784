//! Budgets: how much may be spent, in which time, by whom, and what happens then.

use db::{OnConflict, Tx, Value as Bound};
use rest::{Error, Result};
use serde_json::{Map, Value, json};

use super::definitions::must_exist;
use super::{Store, new_id, now_ms, set};
use crate::admin::budget::{Scope, Unit, duration_json, name_of, window};
use crate::admin::page::Page;
use crate::cost::Usd;
use crate::quota::{Action, BudgetPolicy};

/// Budgets that are applied at most: each call is held against all of them.
const BUDGETS_MAX: i64 = 1024;

/// A budget to be made, or what changes about one: what is `None` stays.
#[derive(Clone, Default)]
pub(in crate::admin) struct BudgetChange {
    pub(in crate::admin) unit: Option<&'static str>,
    pub(in crate::admin) amount: Option<f64>,
    pub(in crate::admin) duration: Option<(Unit, i64)>,
    pub(in crate::admin) scope: Option<Scope>,
    /// The endpoint's id or the user's name.
    pub(in crate::admin) target: Target,
    pub(in crate::admin) action: Option<&'static str>,
    pub(in crate::admin) by: Option<String>,
}

/// What was said of a target.
#[derive(Clone, Default)]
pub(in crate::admin) enum Target {
    #[default]
    Unsaid,
    None,
    Some(String),
}

#[expect(clippy::struct_field_names, reason = "the fields are named as the columns are")]
#[derive(PartialEq)]
pub(in crate::admin) struct Budget {
    budget_policy_id: String,
    budget_unit: String,
    budget_amount: f64,
    duration_unit: String,
    duration_value: i64,
    target_scope: String,
    budget_action: String,
    created_by: Option<String>,
    created_at: i64,
    last_updated_by: Option<String>,
    last_updated_at: i64,
    target_value: Option<String>,
    workspace: String,
}

db::record!(Budget {
    budget_policy_id,
    budget_unit,
    budget_amount,
    duration_unit,
    duration_value,
    target_scope,
    budget_action,
    created_by,
    created_at,
    last_updated_by,
    last_updated_at,
    target_value,
    workspace,
});

const COLUMNS: [&str; 13] = [
    "budget_policy_id",
    "budget_unit",
    "budget_amount",
    "duration_unit",
    "duration_value",
    "target_scope",
    "budget_action",
    "created_by",
    "created_at",
    "last_updated_by",
    "last_updated_at",
    "target_value",
    "workspace",
];

impl Budget {
    fn to_json(&self) -> Value {
        let mut json = Map::new();
        set(&mut json, "budget_policy_id", Some(self.budget_policy_id.as_str()));
        set(&mut json, "budget_unit", Some(self.budget_unit.as_str()));
        set(&mut json, "budget_amount", Some(self.budget_amount));
        set(&mut json, "duration", Some(duration_json(&self.duration_unit, self.duration_value)));
        set(&mut json, "target_scope", Some(self.target_scope.as_str()));
        set(&mut json, "budget_action", Some(self.budget_action.as_str()));
        set(&mut json, "created_by", Some(self.created_by.as_deref().unwrap_or_default()));
        set(&mut json, "created_at", Some(self.created_at));
        set(&mut json, "last_updated_by", Some(self.last_updated_by.as_deref().unwrap_or_default()));
        set(&mut json, "last_updated_at", Some(self.last_updated_at));
        set(&mut json, "target_value", self.target_value.as_deref());
        json.into()
    }

    /// What it asks of calls; none where a newer MLflow wrote what is not understood here.
    pub(in crate::admin) fn policy(&self) -> Option<BudgetPolicy> {
        let Some((scope, (_, unit))) =
            self.scope().zip(Unit::ALL.into_iter().find(|(name, _)| *name == self.duration_unit))
        else {
            let id = &self.budget_policy_id;
            tracing::warn!(
                budget = id,
                "a budget of the database is of a kind that is unknown here; it is not applied"
            );
            return None;
        };
        let amount = Usd::parse(&self.budget_amount.max(0.0).to_string()).map_or(u64::MAX, Usd::nanos);
        Some(BudgetPolicy {
            id: self.budget_policy_id.clone(),
            usd: self.budget_amount,
            amount,
            unit,
            length: self.duration_value,
            scope,
            target: self.target_value.clone(),
            workspace: self.workspace.clone(),
            action: if self.budget_action == "REJECT" { Action::Reject } else { Action::Alert },
        })
    }

    /// The window in which a moment lies.
    fn window(&self, now_ms: i64) -> Option<(i64, i64)> {
        let (_, unit) = Unit::ALL.iter().find(|(name, _)| *name == self.duration_unit)?;
        Some(window(*unit, self.duration_value, now_ms))
    }

    fn scope(&self) -> Option<Scope> {
        Scope::ALL.iter().find(|(name, _)| *name == self.target_scope).map(|(_, it)| *it)
    }
}

impl Store {
    /// Makes a budget; `new` names everything.
    pub(in crate::admin) async fn create_budget(&self, new: BudgetChange) -> Result<Value> {
        let id = new_id("bp");
        let made = id.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let target = checked_target(tx, new.scope, &new.target, None).await?;
                    let (unit, length) = new.duration.unwrap_or((Unit::Days, 1));
                    let now = now_ms();
                    let values = vec![
                        made.into(),
                        new.unit.unwrap_or_default().into(),
                        Bound::Real(new.amount.unwrap_or_default()),
                        name_of(&Unit::ALL, &unit).into(),
                        length.into(),
                        new.scope.map_or("", |it| name_of(&Scope::ALL, &it)).into(),
                        new.action.unwrap_or_default().into(),
                        new.by.clone().into(),
                        now.into(),
                        new.by.into(),
                        now.into(),
                        target.into(),
                        "default".into(),
                    ];
                    tx.insert_rows("budget_policies", &COLUMNS, OnConflict::Error, values).await?;
                    Ok::<_, Error>(())
                })
            })
            .await?;
        self.budget(&id).await
    }

    pub(in crate::admin) async fn budget(&self, id: &str) -> Result<Value> {
        let sql = format!("SELECT {} FROM budget_policies WHERE budget_policy_id = ?", COLUMNS.join(", "));
        let found: Option<Budget> = self.db.fetch_optional(sql, vec![id.into()]).await?;
        found.map(|it| it.to_json()).ok_or_else(|| not_found(id))
    }

    pub(in crate::admin) async fn update_budget(&self, id: &str, change: BudgetChange) -> Result<Value> {
        let owned = id.to_owned();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let sql = format!("SELECT {} FROM budget_policies WHERE budget_policy_id = ?", COLUMNS.join(", "));
                    let before: Option<Budget> = tx.fetch_optional(sql, vec![owned.as_str().into()]).await?;
                    let before = before.ok_or_else(|| not_found(&owned))?;
                    let scope = change.scope.or_else(|| before.scope());
                    // A target means something within its scope alone: an endpoint's id is no user's name.
                    let inherited = before.target_value.clone().filter(|_| scope == before.scope());
                    let target = checked_target(tx, scope, &change.target, inherited).await?;
                    let scope = change.scope.map(|it| name_of(&Scope::ALL, &it).to_owned());
                    let (mut sets, mut args) = super::changes([
                        ("budget_unit", change.unit.map(str::to_owned)),
                        ("duration_unit", change.duration.map(|(unit, _)| name_of(&Unit::ALL, &unit).to_owned())),
                        ("target_scope", scope),
                        ("budget_action", change.action.map(str::to_owned)),
                        ("last_updated_by", change.by),
                    ]);
                    sets.push_str(", target_value = ?");
                    args.push(target.into());
                    if let Some(amount) = change.amount {
                        sets.push_str(", budget_amount = ?");
                        args.push(Bound::Real(amount));
                    }
                    if let Some((_, length)) = change.duration {
                        sets.push_str(", duration_value = ?");
                        args.push(length.into());
                    }
                    args.push(owned.into());
                    tx.execute(format!("UPDATE budget_policies SET {sets} WHERE budget_policy_id = ?"), args).await?;
                    Ok::<_, Error>(())
                })
            })
            .await?;
        self.budget(id).await
    }

    pub(in crate::admin) async fn delete_budget(&self, id: String) -> Result<()> {
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let sql = "DELETE FROM budget_policies WHERE budget_policy_id = ?";
                    match tx.execute(sql, vec![id.as_str().into()]).await? {
                        0 => Err(not_found(&id)),
                        _ => Ok(()),
                    }
                })
            })
            .await
    }

    pub(in crate::admin) async fn budgets(&self, page: Page) -> Result<(Vec<Value>, Option<String>)> {
        let (budgets, token) = page.cut(self.budget_rows(page).await?);
        Ok((budgets.iter().map(Budget::to_json).collect(), token))
    }

    /// The window in which each of the first budgets counts now, with what the recorded calls in it cost.
    pub(in crate::admin) async fn budget_windows(&self) -> Result<Vec<Value>> {
        let (budgets, _) = Page::FIRST.cut(self.budget_rows(Page::FIRST).await?);
        let mut windows = Vec::new();
        let now = now_ms();
        for budget in budgets {
            let Some((from, until)) = budget.window(now) else { continue };
            windows.push(json!({
                "budget_policy_id": budget.budget_policy_id,
                "window_start_ms": from,
                "window_end_ms": until,
                "current_spend": self.spent(&budget, from, until).await?,
            }));
        }
        Ok(windows)
    }

    /// The budgets that calls are held against.
    pub(super) async fn served_budgets(&self) -> Result<Vec<Budget>> {
        let page = Page { size: BUDGETS_MAX, offset: 0 };
        let (budgets, others) = page.cut(self.budget_rows(page).await?);
        if others.is_some() {
            tracing::warn!(BUDGETS_MAX, "the database has more budgets than are applied; the last ones are left out");
        }
        Ok(budgets)
    }

    /// Nanodollars that recorded calls cost in the current window of each budget, by its id.
    pub(in crate::admin) async fn spent_of(&self, budgets: &[Budget]) -> Result<Vec<(String, u64)>> {
        let now = now_ms();
        let mut spent = Vec::new();
        for budget in budgets {
            let Some((from, until)) = budget.window(now) else { continue };
            let usd = self.spent(budget, from, until).await?.max(0.0);
            let nanodollars = Usd::parse(&usd.to_string()).map_or(u64::MAX, Usd::nanos);
            spent.push((budget.budget_policy_id.clone(), nanodollars));
        }
        Ok(spent)
    }

    async fn budget_rows(&self, page: Page) -> Result<Vec<Budget>> {
        let columns = COLUMNS.join(", ");
        let sql = format!("SELECT {columns} FROM budget_policies ORDER BY budget_policy_id LIMIT ? OFFSET ?");
        Ok(self.db.fetch_all(sql, vec![(page.size + 1).into(), page.offset.into()]).await?)
    }

    /// US dollars that the recorded calls under a budget cost in a window of time.
    async fn spent(&self, budget: &Budget, from_ms: i64, until_ms: i64) -> Result<f64> {
        let mut sql = "SELECT COALESCE(SUM(t.total_cost), 0.0) FROM trace_info t JOIN trace_request_metadata e ON \
                       e.request_id = t.request_id AND e.\"key\" = 'mlflow.gateway.endpointId'"
            .to_owned();
        let mut args: Vec<Bound> = Vec::new();
        let mut filter = "";
        match (budget.scope(), &budget.target_value) {
            (Some(Scope::Endpoint), Some(id)) => {
                filter = " AND e.value = ?";
                args.push(id.into());
            }
            (Some(Scope::User), Some(name)) => {
                sql.push_str(
                    " JOIN trace_request_metadata u ON u.request_id = t.request_id AND u.\"key\" = \
                     'mlflow.auth.username'",
                );
                filter = " AND u.value = ?";
                args.push(name.into());
            }
            _ => {}
        }
        sql.push_str(" WHERE t.timestamp_ms >= ? AND t.timestamp_ms < ?");
        sql.push_str(filter);
        args.splice(0..0, [from_ms.into(), until_ms.into()]);
        let (spent,): (f64,) = self.db.fetch_one(sql, args).await?;
        Ok(spent)
    }
}

/// The target that a budget has then: one for an endpoint or a user, and none for all.
async fn checked_target(
    tx: &mut Tx,
    scope: Option<Scope>,
    said: &Target,
    inherited: Option<String>,
) -> Result<Option<String>> {
    let is_targeted = scope.is_some_and(Scope::is_targeted);
    let target = match said {
        Target::Unsaid => inherited,
        Target::None => None,
        Target::Some(target) => Some(target.clone()),
    };
    match (is_targeted, target) {
        (false, Some(_)) if matches!(said, Target::Some(_)) => {
            Err(Error::invalid("target_value can only be set when target_scope is ENDPOINT or USER."))
        }
        (false, _) => Ok(None),
        (true, None) => {
            let scope = scope.map_or("", |it| name_of(&Scope::ALL, &it));
            Err(Error::invalid(format!("target_value is required when target_scope is {scope}.")))
        }
        (true, Some(target)) => {
            if scope == Some(Scope::Endpoint) && matches!(said, Target::Some(_)) {
                must_exist(tx, "endpoints", "GatewayEndpoint", "endpoint_id", &target).await?;
            }
            Ok(Some(target))
        }
    }
}

fn not_found(id: &str) -> Error {
    Error::no_such("BudgetPolicy", "budget_policy_id", id)
}
