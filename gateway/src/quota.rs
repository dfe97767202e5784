//! Quotas: how many requests, tokens or dollars a key, a user, a team, an endpoint or all of them have in a window.
//!
//! A call reserves what it may need before it begins and settles with what it took when it ends, so that calls which run
//! at once cannot spend the same rest twice.

mod database;
mod estimate;
mod ledger;
mod local;
mod policy;
mod redis;
mod rule;
mod sliding;
mod told;
mod webhook;
mod window;

use std::sync::{Arc, Mutex, PoisonError};

use axum::http::HeaderMap;
use db::Db;
use llm::Error;

use crate::Call;
use crate::request::Request;
use crate::served::Served;

use estimate::Estimate;
pub(crate) use ledger::{Claim, Ledger};
use policy::Counting;
pub(crate) use policy::{Alerts, BudgetPolicy};
pub(crate) use redis::{OnFailure, RedisConfig};
pub(crate) use rule::{Action, Measure, Rule, Scope, Term};
pub(crate) use webhook::Webhook;
pub(crate) use window::Window;

/// What the configuration says of quotas.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct QuotaConfig {
    pub(crate) rules: Vec<Rule>,
    /// Where replicas count together.
    pub(crate) redis: Option<RedisConfig>,
}

/// The quotas that are in force.
#[derive(Debug, Default)]
pub(crate) struct Quotas {
    rules: Vec<Rule>,
    /// Those of the database.
    policies: Vec<Arc<BudgetPolicy>>,
    alerts: Arc<Alerts>,
    ledger: Arc<Ledger>,
    redis: Option<RedisConfig>,
}

impl Quotas {
    /// The quotas of a configuration and of the database; what was counted `before` goes on counting.
    pub(crate) fn new(
        config: &QuotaConfig,
        policies: &[Arc<BudgetPolicy>],
        alerts: &Arc<Alerts>,
        before: &Self,
    ) -> Result<Self, String> {
        let ledger = if before.redis == config.redis {
            Arc::clone(&before.ledger)
        } else {
            Arc::new(Ledger::open(config.redis.as_ref())?)
        };
        let (policies, alerts) = (policies.to_vec(), Arc::clone(alerts));
        Ok(Self { rules: config.rules.clone(), policies, alerts, ledger, redis: config.redis.clone() })
    }

    /// Takes over what the records say was spent of the database's budgets, in nanodollars by the budgets' ids: before
    /// this process began, or by others who do not count here.
    pub(crate) async fn spent(&self, by_id: &[(String, u64)], now_unix_s: i64) {
        let spent = self.policies.iter().filter_map(|policy| {
            let (_, nanodollars) = by_id.iter().find(|(id, nanodollars)| *id == policy.id && *nanodollars > 0)?;
            let claim = policy.recorded(*nanodollars, now_unix_s);
            self.alerts.is_old_news(policy, &claim, now_unix_s);
            Some(claim)
        });
        self.ledger.raise(&spent.collect::<Vec<_>>(), now_unix_s).await;
    }

    /// Reserves what a call may need, or says which quota has no room for it and when it will.
    pub(crate) async fn reserve(&self, served: &Served, request: &Request, now_unix_s: i64) -> Result<Reserved, Error> {
        let key = request.caller.known.as_deref();
        let own = key.map_or(&[][..], |it| &it.rules);
        if self.rules.is_empty() && own.is_empty() && self.policies.is_empty() {
            return Ok(Reserved::default());
        }
        let who = key.map(|it| &*it.identity);
        let estimate = Estimate::of(served, request);
        let mut rules = Vec::new();
        let mut claims: Vec<Claim> = Vec::new();
        for rule in self.rules.iter().chain(own) {
            let Some(subject) = rule.subject(who, served.name()) else { continue };
            let claim = rule.claim(subject, estimate.of_measure(rule.measure), now_unix_s);
            // Quotas of the same subject and window share a count, of which each call is counted once.
            let shared = claims.iter_mut().position(|it| it.count == claim.count);
            let place = shared.unwrap_or(claims.len());
            match shared {
                Some(place) => claims[place].tighten(claim.limit),
                None => claims.push(claim),
            }
            rules.push(Claiming { rule, subject, place });
        }
        let own_counts = claims.len();
        let policies: Vec<_> = self.policies.iter().filter(|it| it.concerns(who, served)).collect();
        claims.extend(policies.iter().map(|it| it.claim(estimate.of_measure(Measure::Usd), now_unix_s)));
        if claims.is_empty() {
            return Ok(Reserved::default());
        }
        let counts = self.ledger.reserve(&claims, now_unix_s).await.map_err(|refused| match refused {
            ledger::Refused::Full { claim, used, frees_unix_s } => {
                if let Some(policy) = claim.checked_sub(own_counts) {
                    return policies[policy].refusal(&claims[claim], now_unix_s);
                }
                for it in rules.iter().filter(|it| it.place == claim) {
                    it.rule.tell(it.subject, &claims[claim], used, true, &self.alerts, now_unix_s);
                }
                refusal(&rules, claim, &claims[claim], used, frees_unix_s - now_unix_s)
            }
            ledger::Refused::Down(words) => Error::Unavailable(words),
        })?;
        for Claiming { rule, subject, place } in &rules {
            rule.tell(subject, &claims[*place], counts[*place], false, &self.alerts, now_unix_s);
        }
        let headers = told::headers(&rules, &claims, &counts, now_unix_s);
        let of_policies = claims.iter().zip(&counts).skip(own_counts);
        let counting = policies.iter().zip(of_policies).map(|(policy, (claim, used))| {
            self.alerts.used(policy, claim, used.saturating_sub(claim.amount), now_unix_s);
            let (policy, alerts) = (Arc::clone(policy), Arc::clone(&self.alerts));
            Counting { policy, claim: claim.clone(), used: *used, alerts }
        });
        let counting = counting.collect();
        Ok(Reserved { held: Some(Held { claims, counting, ledger: Arc::clone(&self.ledger) }), headers })
    }
}

/// Keeps what is spent in a database; begins once [`Self::open`] is called, and does nothing where a Redis counts.
#[derive(Default)]
pub(crate) struct KeptBudgets(Mutex<Option<(Db, Arc<Ledger>)>>);

impl KeptBudgets {
    /// Reads what was spent before into the ledger of these quotas.
    pub(crate) async fn open(&self, db: Db, quotas: &Quotas, now_unix_s: i64) -> db::Result<()> {
        if let Some(local) = quotas.ledger.alone() {
            local.restore(database::read(&db, now_unix_s).await?);
        }
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((db, Arc::clone(&quotas.ledger)));
        Ok(())
    }

    /// Writes down what has been spent since the last time.
    pub(crate) async fn write(&self) -> db::Result<()> {
        let opened = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some((db, ledger)) = opened else { return Ok(()) };
        let Some(local) = ledger.alone() else { return Ok(()) };
        let mut spent = local.unwritten();
        while !spent.is_empty() {
            let mut rest = spent.split_off(spent.len().min(database::TOGETHER_MAX));
            if let Err(error) = database::add(&db, spent.clone()).await {
                spent.append(&mut rest);
                local.is_unwritten(spent);
                return Err(error);
            }
            spent = rest;
        }
        Ok(())
    }
}

/// A quota that concerns a call, and the place of its claim.
struct Claiming<'a> {
    rule: &'a Rule,
    /// Whose count it is.
    subject: &'a str,
    place: usize,
}

/// Why a claim was refused, in the words of the tightest of the quotas that it is for.
fn refusal(rules: &[Claiming<'_>], place: usize, claim: &Claim, used: u64, wait_s: i64) -> Error {
    let its = rules.iter().filter(|it| it.place == place && it.rule.action == Action::Reject);
    match its.min_by_key(|it| it.rule.amount) {
        Some(it) => it.rule.refusal(it.subject, claim, used, wait_s),
        None => Error::Unavailable("a quota without a limit was refused".to_owned()),
    }
}

/// What a call has reserved, and what its caller is told of it.
#[derive(Debug, Default)]
pub(crate) struct Reserved {
    held: Option<Held>,
    pub(crate) headers: HeaderMap,
}

#[derive(Debug)]
struct Held {
    claims: Vec<Claim>,
    counting: Vec<Counting>,
    ledger: Arc<Ledger>,
}

impl Reserved {
    /// Puts what the call really took in the place of what was reserved. A call that failed without counts took
    /// nothing but its place among the requests; one whose caller left keeps what it reserved, since nobody knows.
    pub(crate) fn settle(self, call: &Call) {
        let Some(Held { claims, counting, ledger }) = self.held else { return };
        if let Some(nanodollars) = estimate::took(Measure::Usd, call) {
            for it in &counting {
                it.took(nanodollars);
            }
        }
        let changes = claims.into_iter().filter_map(|claim| {
            let took = estimate::took(claim.measure, call)?;
            (took != claim.amount).then_some((claim, took))
        });
        ledger.settle(changes.collect());
    }

    /// Gives everything back: the call never began.
    pub(crate) fn give_back(self) {
        if let Some(Held { claims, ledger, .. }) = self.held {
            ledger.settle(claims.into_iter().map(|claim| (claim, 0)).collect());
        }
    }
}
