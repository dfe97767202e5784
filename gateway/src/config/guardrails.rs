//! The `guardrails` of an endpoint or a route.

use std::sync::Arc;

use regex::RegexBuilder;

use super::settings::suggest;
use super::tree::{Place, Table};
use crate::ConfigError;
use crate::guardrails::{Action, Check, Finder, Guardrail, Pii, Rule, When};

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

const KEYS: &[&str] =
    &["name", "type", "when", "action", "roles", "tool_calls", "hold_bytes", "patterns", "replacement", "kinds"];

pub(super) fn read(place: &Place<'_>) -> Result<Vec<Arc<Guardrail>>, ConfigError> {
    let places = place.list()?;
    if places.len() > GUARDRAILS_MAX {
        return Err(place.error(format!("has {} guardrails; an endpoint takes {GUARDRAILS_MAX}", places.len())));
    }
    let mut guardrails: Vec<Arc<Guardrail>> = Vec::with_capacity(places.len());
    for place in places {
        let guardrail = guardrail(&place)?;
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

fn guardrail(place: &Place<'_>) -> Result<Guardrail, ConfigError> {
    let mut table = place.table()?;
    let name = name(&table.need("name", "name: no-secrets")?)?;
    let kind = table.need("type", "type: pii")?;
    let when = table.take("when").map(|it| when(&it)).transpose()?.unwrap_or(When::Both);
    let action = action(&table.need("action", "action: mask")?)?;
    let roles = table.take("roles").map(|it| texts(&it)).transpose()?;
    let tool_calls = table.take("tool_calls").map(|it| it.bool()).transpose()?.unwrap_or_default();
    let hold_bytes = table.take("hold_bytes").map(|it| hold_bytes(&it)).transpose()?.unwrap_or(HOLD_BYTES);
    let check = match kind.text()? {
        "regex" => regex(&mut table)?,
        "pii" => pii(&mut table)?,
        other => {
            let hint = suggest(other, ["regex", "pii"].into_iter());
            return Err(kind.error(format!("`{other}` is no type of guardrail{hint}; the types are regex, pii")));
        }
    };
    table.finish(KEYS)?;
    let roles = roles.unwrap_or_else(|| ROLES.map(str::to_owned).to_vec());
    Ok(Guardrail { name, when, action, roles, tool_calls, hold_bytes, check })
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
        let regex = RegexBuilder::new(place.text()?).size_limit(PATTERN_BYTES_MAX).build();
        let regex = regex.map_err(|error| place.error(format!("is no pattern that can be used: {error}")))?;
        Ok(Rule { label: format!("pattern-{}", index + 1), placeholder: placeholder.clone(), regex, refine: None })
    });
    Ok(Check::Find(Finder::new(rules.collect::<Result<_, ConfigError>>()?)))
}

fn pii(table: &mut Table<'_>) -> Result<Check, ConfigError> {
    let Some(list) = table.take("kinds") else {
        return Ok(Check::Find(Finder::new(Pii::ALL.into_iter().map(Pii::rule).collect())));
    };
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
    Ok(Check::Find(Finder::new(kinds.into_iter().map(Pii::rule).collect())))
}

fn texts(place: &Place<'_>) -> Result<Vec<String>, ConfigError> {
    place.list()?.iter().map(|it| it.text().map(str::to_owned)).collect()
}
