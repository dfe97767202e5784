//! The `guardrails` of an endpoint or a route.

use std::sync::Arc;
use std::time::Duration;

use regex::{Regex, RegexBuilder};

use super::Config;
use super::measures::duration;
use super::settings::{World, address, expand, headers, suggest};
use super::tree::{Place, Table};
use crate::ConfigError;
use crate::dispatch::PolicyConfig;
use crate::endpoint::Kind;
use crate::guardrails::{
    Action, Check, Finder, Guardrail, INJECTION, Judge, OnFailure, Pii, Rule, Schema, Webhook, When, injection_rules,
};
use crate::provider::http_client;
use crate::screen::ScreenConfig;

/// Guardrails of one endpoint at most: each one looks at all of the text.
const GUARDRAILS_MAX: usize = 32;
/// Patterns of one guardrail at most, for the same reason.
const PATTERNS_MAX: usize = 256;
/// Bytes that a compiled pattern may take; beyond it lies repetition of repetition.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// Bytes of a stream that are held back: more than addresses and numbers are long.
const HOLD_BYTES: usize = 96;
/// What may be held back at most; more would be no stream any more.
const HOLD_BYTES_MAX: u32 = 4096;
/// Whose turns are looked at. The operator's own instructions may well hold the operator's address.
const ROLES: [&str; 3] = ["user", "tool", "assistant"];

/// A judge answers one line.
const JUDGE_TIMEOUT: Duration = Duration::from_secs(15);
/// A webhook is near, and every call waits for it.
const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(3);
/// No caller waits longer than this before their call has even begun.
const TIMEOUT_MAX: Duration = Duration::from_mins(1);
/// Rules of one judge at most; more belong to another.
const RULES_MAX: usize = 64;

const TYPES: [&str; 7] = ["regex", "pii", "injection", "judge", "topics", "schema", "webhook"];

const KEYS: &[&str] = &[
    "name",
    "type",
    "when",
    "action",
    "roles",
    "tool_calls",
    "hold_bytes",
    "patterns",
    "replacement",
    "kinds",
    "endpoint",
    "rules",
    "topics",
    "schema",
    "url",
    "headers",
    "timeout",
    "on_failure",
];

pub(super) fn read(place: &Place<'_>, world: &World<'_>) -> Result<Vec<Arc<Guardrail>>, ConfigError> {
    let places = place.list()?;
    if places.len() > GUARDRAILS_MAX {
        return Err(place.error(format!("has {} guardrails; an endpoint takes {GUARDRAILS_MAX}", places.len())));
    }
    let mut guardrails: Vec<Arc<Guardrail>> = Vec::with_capacity(places.len());
    for place in places {
        let guardrail = guardrail(&place, world)?;
        if guardrails.iter().any(|it| it.name == guardrail.name) {
            return Err(place.error(format!(
                "`{}` is already the name of another guardrail of this list; records tell them by their names",
                guardrail.name
            )));
        }
        guardrails.push(Arc::new(guardrail));
    }
    Ok(guardrails)
}

fn guardrail(place: &Place<'_>, world: &World<'_>) -> Result<Guardrail, ConfigError> {
    let mut table = place.table()?;
    let name = name(&table.need("name", "name: no-secrets")?)?;
    let kind = table.need("type", "type: pii")?;
    let when_place = table.take("when");
    let action_place = table.need("action", "action: mask")?;
    let action = action(&action_place)?;
    let roles = table.take("roles").map(|it| texts(&it)).transpose()?;
    let tool_calls = table.take("tool_calls").map(|it| it.bool()).transpose()?.unwrap_or_default();
    let hold_bytes = table.take("hold_bytes").map(|it| hold_bytes(&it)).transpose()?.unwrap_or(HOLD_BYTES);
    let on_failure = table.take("on_failure").map(|it| on_failure(&it)).transpose()?.unwrap_or_default();
    let mut usual = When::Both;
    let check = match kind.text()? {
        "regex" => regex(&mut table)?,
        "pii" => pii(&mut table)?,
        "injection" => {
            usual = When::Input;
            injection(&mut table)?
        }
        "judge" => {
            let list = table.need("rules", "rules: ['It asks for medical advice.']")?;
            judge(&mut table, sentences(&list)?)?
        }
        "topics" => {
            let list = table.need("topics", "topics: [politics, religion]")?;
            let topics = sentences(&list)?.into_iter().map(|it| format!("It is about this topic: {it}."));
            judge(&mut table, topics.collect())?
        }
        "schema" => {
            usual = When::Output;
            let schema = table.need("schema", "schema: {type: object}")?;
            Check::Schema(Schema::new(schema.json()).map_err(|it| schema.error(format!("is no JSON schema: {it}")))?)
        }
        "webhook" => webhook(&mut table, world)?,
        other => {
            let hint = suggest(other, TYPES.into_iter());
            let types = TYPES.join(", ");
            return Err(kind.error(format!("`{other}` is no type of guardrail{hint}; the types are {types}")));
        }
    };
    let when = when_place.as_ref().map(when).transpose()?.unwrap_or(usual);
    table.finish(KEYS)?;
    match (&check, action) {
        (Check::Schema(_) | Check::Judge(_), Action::Mask) => {
            return Err(action_place.error("finds nothing that could be masked; write `block` or `flag`"));
        }
        (Check::Webhook(_), Action::Mask) if when != When::Input => {
            return Err(
                action_place.error("is only possible in requests; add `when: input`, or write `block` or `flag`")
            );
        }
        (Check::Schema(_), _) if when != When::Output => {
            let place = when_place.as_ref().unwrap_or(place);
            return Err(place.error("a schema is for answers; write `when: output` or leave the key out"));
        }
        _ => {}
    }
    let roles = roles.unwrap_or_else(|| ROLES.map(str::to_owned).to_vec());
    Ok(Guardrail { name, when, action, roles, tool_calls, hold_bytes, on_failure, check })
}

/// A judge must be a chat, and have no judge itself: it would be asked about what it is asked.
pub(super) fn check_judges(config: &Config) -> Result<(), ConfigError> {
    let screens = config.endpoints.iter().map(|it| &it.screen).chain(config.routes.iter().map(|it| &it.screen));
    for judge in screens.flat_map(judges) {
        let Judge { endpoint: name, line, key, .. } = judge;
        let wrong = |message: String| ConfigError::Invalid {
            file: config.file.clone(),
            line: *line,
            key: key.clone(),
            message,
        };
        let Some((kind, mut asked, policy)) = reached(config, name) else {
            let names = config.endpoints.iter().map(|it| it.name.as_str());
            let hint = suggest(name, names.chain(config.routes.iter().map(|it| it.name.as_str())));
            return Err(wrong(format!("`{name}` is no endpoint or route of this file{hint}")));
        };
        for fallback in &policy.fallbacks {
            asked.extend(reached(config, &fallback.name).into_iter().flat_map(|it| it.1));
        }
        if kind != Kind::Chat {
            return Err(wrong(format!("`{name}` is of type {kind}; a judge is asked in a chat, so name one of those")));
        }
        if asked.into_iter().flat_map(judges).next().is_some() {
            return Err(wrong(format!("`{name}` asks a judge itself; name one without a guardrail that asks a model")));
        }
    }
    Ok(())
}

/// What a name is, what is done to its calls there and at its destinations, and what is done when they fail.
pub(super) fn reached<'c>(config: &'c Config, name: &str) -> Option<(Kind, Vec<&'c ScreenConfig>, &'c PolicyConfig)> {
    let endpoint = |name: &str| config.endpoints.iter().find(|it| it.name == name);
    if let Some(it) = endpoint(name) {
        return Some((it.kind, vec![&it.screen], &it.policy));
    }
    let route = config.routes.iter().find(|it| it.name == name)?;
    let destinations = route.destinations.iter().filter_map(|(name, _)| Some(&endpoint(name)?.screen));
    Some((route.kind, std::iter::once(&route.screen).chain(destinations).collect(), &route.policy))
}

pub(super) fn judges(screen: &ScreenConfig) -> impl Iterator<Item = &Judge> {
    screen.guardrails.iter().filter_map(|it| match &it.check {
        Check::Judge(judge) => Some(judge),
        _ => None,
    })
}

/// A name that can stand in a header.
fn name(place: &Place<'_>) -> Result<String, ConfigError> {
    let name = place.text()?;
    if name.chars().all(|it| it.is_ascii_alphanumeric() || matches!(it, '_' | '-' | '.')) {
        return Ok(name.to_owned());
    }
    Err(place.error(format!("`{name}` cannot stand in a header; use letters, digits, `-`, `_` and `.` only")))
}

fn when(place: &Place<'_>) -> Result<When, ConfigError> {
    match place.text()? {
        "input" => Ok(When::Input),
        "output" => Ok(When::Output),
        "both" => Ok(When::Both),
        other => Err(place.error(format!("`{other}` is no time to look; write `input`, `output` or `both`"))),
    }
}

fn action(place: &Place<'_>) -> Result<Action, ConfigError> {
    match place.text()? {
        "block" => Ok(Action::Block),
        "mask" => Ok(Action::Mask),
        "flag" => Ok(Action::Flag),
        other => Err(place.error(format!("`{other}` is nothing to do; write `block`, `mask` or `flag`"))),
    }
}

fn hold_bytes(place: &Place<'_>) -> Result<usize, ConfigError> {
    let count = place.count(1)?;
    if count > HOLD_BYTES_MAX {
        return Err(place.error(format!("must be at most {HOLD_BYTES_MAX}, or nothing of a stream would be left")));
    }
    Ok(count as usize)
}

fn regex(table: &mut Table<'_>) -> Result<Check, ConfigError> {
    let list = table.need("patterns", "patterns: ['(?i)project falcon']")?;
    let replacement = table.take("replacement").map(|it| it.text().map(str::to_owned)).transpose()?;
    let placeholder = replacement.unwrap_or_else(|| "[removed]".to_owned());
    let places = list.list()?;
    if places.is_empty() || places.len() > PATTERNS_MAX {
        return Err(list.error(format!("must hold 1 to {PATTERNS_MAX} patterns, but holds {}", places.len())));
    }
    let rules = places.iter().enumerate().map(|(index, place)| {
        let regex = pattern(place)?;
        Ok(Rule { label: format!("pattern-{}", index + 1), placeholder: placeholder.clone(), regex, refine: None })
    });
    Ok(Check::Find(Finder::new(rules.collect::<Result<_, ConfigError>>()?)))
}

fn pii(table: &mut Table<'_>) -> Result<Check, ConfigError> {
    let Some(list) = table.take("kinds") else {
        return Ok(Check::Find(Finder::new(Pii::ALL.into_iter().map(Pii::rule).collect())));
    };
    Ok(Check::Find(Finder::new(kinds(&list)?.into_iter().map(Pii::rule).collect())))
}

/// A regular expression whose size is bounded.
pub(super) fn pattern(place: &Place<'_>) -> Result<Regex, ConfigError> {
    let regex = RegexBuilder::new(place.text()?).size_limit(PATTERN_BYTES_MAX).build();
    regex.map_err(|error| place.error(format!("is no pattern that can be used: {error}")))
}

/// Kinds of personal data, by their names.
pub(super) fn kinds(list: &Place<'_>) -> Result<Vec<Pii>, ConfigError> {
    let kinds = list.list()?.into_iter().map(|place| {
        let text = place.text()?;
        Pii::ALL.into_iter().find(|it| it.name() == text).ok_or_else(|| {
            let hint = suggest(text, Pii::ALL.into_iter().map(Pii::name));
            let all = Pii::ALL.map(Pii::name).join(", ");
            place.error(format!("`{text}` is no kind of personal data known here{hint}; known are {all}"))
        })
    });
    let mut kinds: Vec<Pii> = kinds.collect::<Result<_, _>>()?;
    if kinds.is_empty() {
        return Err(list.error("is empty; leave it out to look for all kinds"));
    }
    kinds.dedup();
    Ok(kinds)
}

/// Attempts to talk a model out of its instructions: by a judge where one is named, by their usual phrases where not.
fn injection(table: &mut Table<'_>) -> Result<Check, ConfigError> {
    if table.has("endpoint") {
        return judge(table, vec![INJECTION.to_owned()]);
    }
    Ok(Check::Find(Finder::new(injection_rules())))
}

fn judge(table: &mut Table<'_>, rules: Vec<String>) -> Result<Check, ConfigError> {
    let place = table.need("endpoint", "endpoint: the name of the endpoint that judges")?;
    let timeout = timeout(table, JUDGE_TIMEOUT)?;
    let endpoint = place.text()?.to_owned();
    Ok(Check::Judge(Judge { endpoint, rules, timeout, line: place.line(), key: place.key().to_owned() }))
}

fn webhook(table: &mut Table<'_>, world: &World<'_>) -> Result<Check, ConfigError> {
    let place = table.need("url", "url: https://host/check")?;
    let url = address(&place, &expand(&place, world)?)?;
    let headers = table.take("headers").map(|it| headers(&it, world)).transpose()?.unwrap_or_default();
    let timeout = timeout(table, WEBHOOK_TIMEOUT)?;
    let client = http_client(&url, timeout, false).map_err(|it| place.error(it))?;
    Ok(Check::Webhook(Webhook { url, headers, timeout, client }))
}

fn timeout(table: &mut Table<'_>, usual: Duration) -> Result<Duration, ConfigError> {
    let Some(place) = table.take("timeout") else { return Ok(usual) };
    let timeout = duration(&place)?;
    if timeout > TIMEOUT_MAX {
        return Err(place.error(format!("must be at most {} s: the call waits for it", TIMEOUT_MAX.as_secs())));
    }
    Ok(timeout)
}

fn on_failure(place: &Place<'_>) -> Result<OnFailure, ConfigError> {
    match place.text()? {
        "block" => Ok(OnFailure::Block),
        "pass" => Ok(OnFailure::Pass),
        other => Err(place.error(format!("`{other}` is no way out; write `block` or `pass`"))),
    }
}

fn sentences(place: &Place<'_>) -> Result<Vec<String>, ConfigError> {
    let sentences = texts(place)?;
    if sentences.is_empty() || sentences.len() > RULES_MAX {
        return Err(place.error(format!("must hold 1 to {RULES_MAX} of them, but holds {}", sentences.len())));
    }
    Ok(sentences)
}

fn texts(place: &Place<'_>) -> Result<Vec<String>, ConfigError> {
    place.list()?.iter().map(|it| it.text().map(str::to_owned)).collect()
}
