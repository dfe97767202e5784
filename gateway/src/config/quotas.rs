//! The `limits`, `budgets` and `redis` of the configuration.

use super::keys::names;
use super::settings::{Outside, World, address, expand, secret};
use super::tree::{Place, Table};
use crate::ConfigError;
use crate::quota::{Action, Measure, OnFailure, RedisConfig, Rule, Scope, Term, Webhook, Window};
use crate::secrets::Secret;

/// Quotas at most: each call looks at all of them.
const RULES_MAX: usize = 256;
/// And of one key.
const KEY_RULES_MAX: usize = 16;

/// Reads `limits`: requests and tokens.
pub(super) fn limits(place: &Place<'_>) -> Result<Vec<Rule>, ConfigError> {
    limits_of(place, RULES_MAX, None)
}

/// Reads `budgets`: dollars.
pub(super) fn budgets(place: &Place<'_>, env: &Outside<'_>) -> Result<Vec<Rule>, ConfigError> {
    budgets_of(place, RULES_MAX, None, Some(env))
}

/// Reads the `limits` of one key.
pub(super) fn limits_of_key(place: &Place<'_>) -> Result<Vec<Rule>, ConfigError> {
    limits_of(place, KEY_RULES_MAX, Some(Scope::Key))
}

/// Reads the `budgets` of one key.
pub(super) fn budgets_of_key(place: &Place<'_>) -> Result<Vec<Rule>, ConfigError> {
    budgets_of(place, KEY_RULES_MAX, Some(Scope::Key), None)
}

fn limits_of(place: &Place<'_>, most: usize, scope: Option<Scope>) -> Result<Vec<Rule>, ConfigError> {
    let mut rules = Vec::new();
    for place in &places(place, most)? {
        let mut table = place.table()?;
        let amounts: Vec<_> = [("requests", Measure::Requests), ("tokens", Measure::Tokens)]
            .into_iter()
            .filter_map(|(key, measure)| Some((table.take(key)?, measure)))
            .collect();
        let concurrent = table.take("concurrent");
        if amounts.is_empty() && concurrent.is_none() {
            return Err(place.error("limits nothing; write `requests: 60`, `tokens: 100000` or `concurrent: 10`"));
        }
        let rule = rule(&mut table, scope)?;
        if let Some(amount) = concurrent {
            let amount = amount.count(1)?.into();
            rules.push(Rule { measure: Measure::Concurrent, amount, term: Term::UnderWay, ..rule.clone() });
        }
        if !amounts.is_empty() {
            let (window, words) = window(&mut table)?;
            let rule = Rule { term: Term::Sliding(window, words), ..rule };
            for (amount, measure) in amounts {
                rules.push(Rule { measure, amount: amount.count(1)?.into(), ..rule.clone() });
            }
        } else if let Some(place) = table.take("window") {
            return Err(place.error("is for `requests` and `tokens`; calls at once have no window"));
        }
        finish(table, scope, &["window", "requests", "tokens", "concurrent"])?;
    }
    Ok(rules)
}

/// Budgets that may come over the API call nobody: their webhooks would lead wherever their author likes.
fn budgets_of(
    place: &Place<'_>,
    most: usize,
    scope: Option<Scope>,
    env: Option<&Outside<'_>>,
) -> Result<Vec<Rule>, ConfigError> {
    let mut rules = Vec::new();
    for place in &places(place, most)? {
        let mut table = place.table()?;
        let amount = table.need("usd", "usd: 50")?.amount()?.nanos();
        let action = table.take("action").map(|it| action(&it)).transpose()?.unwrap_or_default();
        let rule = rule(&mut table, scope)?;
        let (window, words) = window(&mut table)?;
        let webhook = match (table.take("webhook"), env) {
            (None, _) => None,
            (Some(place), Some(env)) => Some(webhook(&place, env)?),
            (Some(place), None) => return Err(place.error("is for the `budgets` of the configuration; a key has none")),
        };
        finish(table, scope, &["window", "usd", "action", "webhook"])?;
        let term = Term::Calendar(window, words);
        rules.push(Rule { measure: Measure::Usd, amount, action, term, webhook, ..rule });
    }
    Ok(rules)
}

fn places<'a>(place: &Place<'a>, most: usize) -> Result<Vec<Place<'a>>, ConfigError> {
    let places = place.list()?;
    if places.len() > most {
        return Err(place.error(format!("has more than {most} entries; every call is held against all of them")));
    }
    Ok(places)
}

/// Refuses keys that nobody knows; what is one key's own names nobody else.
fn finish(table: Table<'_>, scope: Option<Scope>, known: &[&str]) -> Result<(), ConfigError> {
    let whose: &[&str] = if scope.is_some() { &[] } else { &["per", "for"] };
    table.finish(&[whose, known].concat())
}

/// What limits and budgets share, whose `scope` is said by the table where it is not known.
fn rule(table: &mut Table<'_>, scope: Option<Scope>) -> Result<Rule, ConfigError> {
    let (scope, only) = match scope {
        Some(scope) => (scope, Vec::new()),
        None => whose(table)?,
    };
    Ok(Rule {
        scope,
        only,
        measure: Measure::Requests,
        amount: 0,
        term: Term::UnderWay,
        action: Action::Reject,
        webhook: None,
    })
}

/// Reads `window`, and gives it with its words.
fn window(table: &mut Table<'_>) -> Result<(Window, String), ConfigError> {
    let window = table.need("window", "window: minute")?;
    let words = window.text()?;
    let Some(parsed) = Window::parse(words) else {
        return Err(window.error(format!(
            "`{words}` is no window; write minute, hour, day, week or month, with a number in front if it is more than \
             one: `5 minutes`"
        )));
    };
    Ok((parsed, words.trim().to_ascii_lowercase()))
}

/// Whose calls count together, and the names of those that are meant; all where there are none.
fn whose(table: &mut Table<'_>) -> Result<(Scope, Vec<String>), ConfigError> {
    let per = table.need("per", "per: key")?;
    let scope = Scope::ALL.into_iter().find(|(word, _)| per.text().is_ok_and(|it| it == *word));
    let Some((_, scope)) = scope else {
        return Err(per.wrong("one of key, user, team, endpoint and all"));
    };
    Ok((scope, table.take("for").map(|it| names(&it)).transpose()?.unwrap_or_default()))
}

fn action(place: &Place<'_>) -> Result<Action, ConfigError> {
    match place.text()? {
        "reject" => Ok(Action::Reject),
        "alert" => Ok(Action::Alert),
        other => Err(place.error(format!("`{other}` is no action; write `reject` or `alert`"))),
    }
}

/// Reads `webhook`: an address, or one with the secret by which notices are signed.
fn webhook(place: &Place<'_>, env: &Outside<'_>) -> Result<Webhook, ConfigError> {
    let world = World { env, endpoint: "webhook" };
    if place.text().is_ok() {
        return Ok(Webhook { url: address(place, &expand(place, &world)?)?, secret: None });
    }
    let mut table = place.table()?;
    let url = table.need("url", "url: https://example.com/budgets")?;
    let url = address(&url, &expand(&url, &world)?)?;
    let secret = table.take("secret").map(|it| secret(&it, &world)).transpose()?;
    table.finish(&["url", "secret"])?;
    Ok(Webhook { url, secret })
}

/// Reads `redis`: where replicas count together.
pub(super) fn redis(place: &Place<'_>, env: &Outside<'_>) -> Result<RedisConfig, ConfigError> {
    let mut table = place.table()?;
    let url = table.need("url", "url: redis://127.0.0.1:6379")?;
    let text = expand(&url, &World { env, endpoint: "redis" })?;
    if !is_redis(&text) {
        return Err(url.error("must be an address such as redis://127.0.0.1:6379 or rediss://:password@host:6379"));
    }
    let on_failure = match table.take("on_failure") {
        None => OnFailure::default(),
        Some(place) => match place.text()? {
            "local" => OnFailure::Local,
            "reject" => OnFailure::Reject,
            "allow" => OnFailure::Allow,
            other => return Err(place.error(format!("`{other}` is no choice; write `local`, `reject` or `allow`"))),
        },
    };
    table.finish(&["url", "on_failure"])?;
    Ok(RedisConfig { url: Secret::new(&text), on_failure })
}

/// The Redis that MLflow's variables name, where the file names none: the first for budgets, the other for rates.
pub(super) fn redis_of_environment(env: &Outside<'_>) -> Result<Option<RedisConfig>, ConfigError> {
    for name in ["MLFLOW_GATEWAY_BUDGET_REDIS_URL", "MLFLOW_GATEWAY_RATE_LIMITS_STORAGE_URI"] {
        let Some(text) = (env.variable)(name).filter(|it| !it.trim().is_empty()) else { continue };
        // Rates of MLflow may also be kept in its memory, or in stores that are none of ours.
        if name.ends_with("_URI") && text.trim().starts_with("memory:") {
            continue;
        }
        if !is_redis(text.trim()) {
            return Err(ConfigError::Start(format!(
                "the environment variable {name} must be an address such as redis://127.0.0.1:6379/0; quotas are \
                 counted in Redis or in memory"
            )));
        }
        return Ok(Some(RedisConfig { url: Secret::new(&text), on_failure: OnFailure::default() }));
    }
    Ok(None)
}

fn is_redis(address: &str) -> bool {
    ["redis://", "rediss://"].iter().any(|it| address.starts_with(it))
}
