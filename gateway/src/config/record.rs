//! `record`, of all calls or of an endpoint's: which are recorded, and what of them.

use std::sync::Arc;
use std::time::Duration;

use serde_json_path::JsonPath;

use super::guardrails::{kinds, pattern};
use super::settings::suggest;
use super::tree::{Place, Table};
use crate::ConfigError;
use crate::guardrails::{Finder, Pii, Rule};
use crate::recording::{Bodies, RecordConfig, Redaction, Sample};

const KEYS: &[&str] = &["sample", "keep_errors", "slower_than_ms", "bodies", "log_bodies", "redact"];
const REDACT_KEYS: &[&str] = &["pii", "patterns", "paths"];

/// Patterns and places at most: each recorded text is held against all of them.
const RULES_MAX: usize = 64;

/// Reads a `record`.
pub(super) fn read(place: &Place<'_>) -> Result<RecordConfig, ConfigError> {
    let mut table = place.table()?;
    let sample = table.take("sample").map(|it| sample(&it)).transpose()?;
    let keep_errors = table.take("keep_errors").map(|it| it.bool()).transpose()?;
    let slower_than = table.take("slower_than_ms").map(|it| it.count(1)).transpose()?;
    let slower_than = slower_than.map(|it| Duration::from_millis(it.into()));
    let bodies = |it: Place<'_>| bodies(&it);
    let (kept, logged) = (table.take("bodies").map(bodies), table.take("log_bodies").map(bodies));
    let redaction = table.take("redact").map(|it| redaction(&it).map(Arc::new)).transpose()?;
    table.finish(KEYS)?;
    let (bodies, log_bodies) = (kept.transpose()?, logged.transpose()?);
    Ok(RecordConfig { sample, keep_errors, slower_than, bodies, log_bodies, redaction })
}

fn sample(place: &Place<'_>) -> Result<Sample, ConfigError> {
    let sample = place.digits().and_then(|it| Sample::parse(&it));
    sample.ok_or_else(|| place.wrong("the part of the calls that is recorded, from 0 to 1, such as 0.1"))
}

fn bodies(place: &Place<'_>) -> Result<Bodies, ConfigError> {
    let text = place.text()?;
    let known = Bodies::NAMED.into_iter().find(|(name, _)| *name == text);
    known.map(|(_, it)| it).ok_or_else(|| {
        let hint = suggest(text, Bodies::NAMED.iter().map(|(name, _)| *name));
        place.error(format!("`{text}` is no amount of a body{hint}; write `none`, `preview` or `full`"))
    })
}

fn redaction(place: &Place<'_>) -> Result<Redaction, ConfigError> {
    let mut table = place.table()?;
    let mut rules: Vec<Rule> = match table.take("pii") {
        None => Vec::new(),
        Some(place) if place.text().is_ok_and(|it| it == "all") => Pii::ALL.into_iter().map(Pii::rule).collect(),
        Some(place) => kinds(&place)?.into_iter().map(Pii::rule).collect(),
    };
    for place in list(&mut table, "patterns")? {
        rules.push(named_pattern(&place)?);
    }
    let paths = list(&mut table, "paths")?.iter().map(path).collect::<Result<Vec<_>, _>>()?;
    table.finish(REDACT_KEYS)?;
    if rules.is_empty() && paths.is_empty() {
        return Err(place.error("redacts nothing; write `pii: all`, `patterns: […]` or `paths: ['$..content']`"));
    }
    Ok(Redaction { finder: (!rules.is_empty()).then(|| Finder::new(rules)), paths })
}

fn list<'a>(table: &mut Table<'a>, key: &str) -> Result<Vec<Place<'a>>, ConfigError> {
    let Some(place) = table.take(key) else { return Ok(Vec::new()) };
    let places = place.list()?;
    if places.len() > RULES_MAX {
        return Err(place.error(format!(
            "has {} entries; each record is held against all of them, so that there may be \
                                        {RULES_MAX}",
            places.len()
        )));
    }
    Ok(places)
}

/// `{name: employee, regex: 'E-\d{6}'}`; `[EMPLOYEE]` takes the place of what it matches.
fn named_pattern(place: &Place<'_>) -> Result<Rule, ConfigError> {
    let mut table = place.table()?;
    let name = table.need("name", "name: employee")?.text()?.to_owned();
    let regex = pattern(&table.need("regex", r"regex: 'E-\d{6}'")?)?;
    table.finish(&["name", "regex"])?;
    Ok(Rule { placeholder: format!("[{}]", name.to_uppercase()), label: name, regex, refine: None })
}

fn path(place: &Place<'_>) -> Result<JsonPath, ConfigError> {
    let text = place.text()?;
    JsonPath::parse(text).map_err(|error| {
        place.error(format!("`{text}` is no JSON path as RFC 9535 has it, such as $.messages[*].content: {error}"))
    })
}
