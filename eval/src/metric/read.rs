//! Reads the checks of a suite: from a name and its options to what is looked for.

use regex::Regex;
use serde_json::Value;

use super::checks::{Check, Unit};
use super::options::Options;
use super::{Fault, Kind, Metric};

/// The check of that name.
pub(super) fn check(name: &str, options: &mut Options) -> Result<Check, Fault> {
    let folds = name.starts_with('i') && name != "is_json";
    let check = match name.strip_prefix('i').filter(|_| folds).unwrap_or(name) {
        "exact_match" | "equals" => {
            let (wanted, folding) = (options.wanted()?, options.folding(folds)?);
            Check::Equals { wanted, folding }
        }
        "contains" => Check::Contains { wanted: options.wanted()?, folding: options.folding(folds)?, any: false },
        "contains_any" => Check::Contains { wanted: options.wanted()?, folding: options.folding(folds)?, any: true },
        "starts_with" => Check::StartsWith { wanted: options.wanted()?, folding: options.folding(folds)? },
        "ends_with" => Check::EndsWith { wanted: options.wanted()?, folding: options.folding(folds)? },
        "squad_exact_match" => Check::SquadExact(options.wanted()?),
        "squad_f1" => Check::SquadF1(options.wanted()?),
        "regex_match" => Check::Matches(pattern(options)?),
        "response_length" => length(options)?,
        "is_json" => Check::IsJson,
        "all" | "any" => {
            let Some(Value::Array(entries)) = options.take("checks") else {
                return Err(format!("`{name}` takes a list of checks").into());
            };
            let mut checks = Vec::new();
            for entry in &entries {
                let metric = Metric::parse(entry)?;
                let Kind::Check(check) = metric.kind else {
                    return Err(format!("`{name}` takes checks of the answer, which `{}` is not", metric.name).into());
                };
                if metric.when.is_some() || metric.pass.is_some() {
                    let what = "`when` and `pass` inside a group".to_owned();
                    return Err(Fault::Unsupported(format!("{name}.{}", metric.name), what));
                }
                checks.push(check);
            }
            if checks.is_empty() {
                return Err(format!("`{name}` needs at least one check").into());
            }
            if name == "all" { Check::All(checks) } else { Check::Any(checks) }
        }
        other => return Err(format!("unknown check `{other}`").into()),
    };
    Ok(check)
}

fn pattern(options: &mut Options) -> Result<Regex, Fault> {
    let pattern =
        options.text("pattern")?.ok_or("regex_match needs a pattern: `{regex_match: '^\\d+$'}`".to_owned())?;
    let whole = match options.text("match_type")?.as_deref() {
        None | Some("search") => false,
        Some("fullmatch") => true,
        Some(other) => {
            return Err(format!("regex_match.match_type: unknown value `{other}`; known are search, fullmatch").into());
        }
    };
    let fold = options.bool("case_insensitive")?.unwrap_or(false);
    let text = if whole { format!("^(?:{pattern})$") } else { pattern.clone() };
    let text = if fold { format!("(?i){text}") } else { text };
    Regex::new(&text).map_err(|it| format!("regex_match: the pattern `{pattern}` does not parse: {it}").into())
}

fn length(options: &mut Options) -> Result<Check, Fault> {
    let mut bound = |names: [&str; 2]| -> Result<Option<usize>, String> {
        let [short, long] = names;
        Ok(options.count(short)?.or(options.count(long)?))
    };
    let (min, max) = (bound(["min", "min_length"])?, bound(["max", "max_length"])?);
    if min.is_none() && max.is_none() {
        return Err("response_length needs `min`, `max` or both".to_owned().into());
    }
    let unit = match options.text("unit")?.as_deref() {
        None | Some("chars") => Unit::Chars,
        Some("words") => Unit::Words,
        Some(other) => {
            return Err(format!("response_length.unit: unknown value `{other}`; known are chars, words").into());
        }
    };
    Ok(Check::Length { min: min.unwrap_or(0), max: max.unwrap_or(usize::MAX), unit })
}
