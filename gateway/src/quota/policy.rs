//! MLflow's budgets, which its client or web app keep in the database: who may spend how much in which window.
//!
//! They mean what they mean in MLflow 3.17.2 (`mlflow/gateway/budget.py`, `budget_tracker/`): a call begins as long as
//! less than the amount is spent, so that the last one may exceed it; here what calls under way may cost counts as
//! spent, so that no more than one does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use llm::Error;
use time::OffsetDateTime;
use tokio::sync::mpsc;

use super::ledger::Stretch;
use super::webhook::{self, Notice};
use super::{Action, Claim, Measure};
use crate::access::Identity;
use crate::admin::budget::{Scope, Unit, name_of, window};
use crate::served::Served;

/// Windows of which it is remembered that somebody was told, before those are looked for that have ended.
const TOLD_MAX: usize = 4096;

/// A budget of the database.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BudgetPolicy {
    pub(crate) id: String,
    /// US dollars, as its maker wrote them.
    pub(crate) usd: f64,
    /// The same in nanodollars.
    pub(crate) amount: u64,
    pub(crate) unit: Unit,
    pub(crate) length: i64,
    pub(crate) scope: Scope,
    /// The endpoint's id or the user's name, by its scope.
    pub(crate) target: Option<String>,
    pub(crate) workspace: String,
    pub(crate) action: Action,
}

impl BudgetPolicy {
    /// Whether a call counts.
    pub(super) fn concerns(&self, who: Option<&Identity>, served: &Served) -> bool {
        let target = self.target.as_deref();
        match self.scope {
            Scope::Global => true,
            // There is one workspace here, which MLflow calls so.
            Scope::Workspace => self.workspace == "default",
            Scope::Endpoint => {
                let registered = served.recording().and_then(|it| it.registered.as_ref());
                registered.is_some_and(|it| target == Some(it.id.as_str()))
            }
            Scope::User => target.is_some() && who.and_then(|it| it.user.as_deref()) == target,
        }
    }

    /// What a call wants that may cost `nanodollars`. It has room while less than all is used.
    pub(super) fn claim(&self, nanodollars: u64, now_unix_s: i64) -> Claim {
        let (from_ms, until_ms) = self.window(now_unix_s);
        // A call whose price nobody knows still meets the end of a budget.
        let amount = nanodollars.max(1);
        Claim {
            measure: Measure::Usd,
            count: format!(
                "usd:{}:{}:{}:{from_ms}:{}:{}",
                self.id,
                self.length,
                name_of(&Unit::ALL, &self.unit),
                name_of(&Scope::ALL, &self.scope),
                self.target.as_deref().unwrap_or_default()
            ),
            amount,
            limit: (self.action == Action::Reject).then(|| self.amount.saturating_add(amount - 1)),
            ends_unix_s: until_ms / 1000,
            stretch: Stretch::Calendar,
        }
    }

    /// What stands in its count at least, by what was recorded.
    pub(super) fn recorded(&self, nanodollars: u64, now_unix_s: i64) -> Claim {
        Claim { amount: nanodollars, limit: None, ..self.claim(nanodollars, now_unix_s) }
    }

    /// The window of a moment, in milliseconds since 1970.
    fn window(&self, now_unix_s: i64) -> (i64, i64) {
        window(self.unit, self.length, now_unix_s.saturating_mul(1000))
    }

    /// Why a call is refused, in MLflow's words, which its programs know.
    pub(super) fn refusal(&self, claim: &Claim, now_unix_s: i64) -> Error {
        let wait = Duration::from_secs(u64::try_from(claim.ends_unix_s - now_unix_s).unwrap_or(0));
        let unit = name_of(&Unit::ALL, &self.unit).to_ascii_lowercase();
        let unit = if self.length == 1 { unit.trim_end_matches('s') } else { unit.as_str() };
        let resets = OffsetDateTime::from_unix_timestamp(claim.ends_unix_s).map_or_else(
            |_| "the end of time".to_owned(),
            |it| {
                let (hour, minute, second) = it.to_hms();
                format!("{}T{hour:02}:{minute:02}:{second:02}Z", it.date())
            },
        );
        Error::Limited {
            message: format!(
                "Budget limit exceeded. Limit: ${:.2} USD per {} {unit}. Budget resets at {resets}. Request rejected.",
                self.usd, self.length
            ),
            retry_after: Some(wait),
        }
    }
}

/// Tells of budgets that are used up, once for each and its window.
#[derive(Debug, Default)]
pub(crate) struct Alerts {
    /// The counts that were told, and when they end, in seconds since 1970.
    told: Mutex<HashMap<String, i64>>,
    /// Who sends notices to webhooks, once there was one.
    courier: OnceLock<mpsc::Sender<Notice>>,
}

impl Alerts {
    /// Whether a window is told for the first time.
    fn is_news(&self, claim: &Claim, now_unix_s: i64) -> bool {
        self.is_new(claim.count.clone(), claim.ends_unix_s, now_unix_s)
    }

    /// Whether something is told for the first time that may be forgotten at its end.
    pub(super) fn is_new(&self, what: String, ends_unix_s: i64, now_unix_s: i64) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= TOLD_MAX {
            told.retain(|_, ends| *ends > now_unix_s);
        }
        told.len() < TOLD_MAX && told.insert(what, ends_unix_s).is_none()
    }

    /// Gives a notice to who sends it.
    pub(super) fn send(&self, notice: Notice) {
        if self.courier.get_or_init(webhook::start).try_send(notice).is_err() {
            tracing::warn!("a webhook is not told that a budget is passed: too many notices wait");
        }
    }

    /// Takes note of a window that was used up before anybody here could tell.
    pub(super) fn is_old_news(&self, policy: &BudgetPolicy, claim: &Claim, now_unix_s: i64) {
        if claim.amount >= policy.amount {
            self.is_news(claim, now_unix_s);
        }
    }

    /// Tells of a budget of which so much is used, if that is all of it.
    pub(super) fn used(&self, policy: &Arc<BudgetPolicy>, claim: &Claim, used: u64, now_unix_s: i64) {
        if policy.action != Action::Alert || used < policy.amount || !self.is_news(claim, now_unix_s) {
            return;
        }
        tracing::warn!(
            budget = policy.id,
            usd = policy.usd,
            used_nanodollars = used,
            "a budget is used up; calls go on, as its action is ALERT"
        );
    }
}

/// A budget that a call counts for, until it is known what it cost.
#[derive(Debug)]
pub(super) struct Counting {
    pub(super) policy: Arc<BudgetPolicy>,
    pub(super) claim: Claim,
    /// What was used with the call's reservation.
    pub(super) used: u64,
    pub(super) alerts: Arc<Alerts>,
}

impl Counting {
    /// The call took so much.
    pub(super) fn took(&self, nanodollars: u64) {
        let used = self.used.saturating_sub(self.claim.amount).saturating_add(nanodollars);
        let now_unix_s = i64::try_from(llm::unix_seconds()).unwrap_or(i64::MAX);
        self.alerts.used(&self.policy, &self.claim, used, now_unix_s);
    }
}
