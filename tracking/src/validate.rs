//! MLflow's limits and naming rules, in one place, with the texts its clients show.

use rest::python::repr;
use std::fmt::Display;

use crate::{Error, Result};

/// Metrics at most in one batch.
pub(crate) const BATCH_METRICS_MAX: usize = 1000;
/// Params at most in one batch, and tags too.
pub(crate) const BATCH_PARAMS_MAX: usize = 100;
/// Metrics, params and tags together at most in one batch.
pub(crate) const BATCH_ENTITIES_MAX: usize = 1000;
/// Datasets at most in one `log-inputs`.
pub(crate) const BATCH_DATASETS_MAX: usize = 1000;
/// Characters at most in the key of a metric, a param or a tag.
pub(crate) const KEY_CHARS_MAX: usize = 250;
/// Characters of a param's value that are kept.
pub(crate) const PARAM_VALUE_CHARS_MAX: usize = 6000;
/// Characters of a run tag's value that are kept.
pub(crate) const TAG_VALUE_CHARS_MAX: usize = 8000;
/// Characters at most in an experiment's name.
pub(crate) const EXPERIMENT_NAME_CHARS_MAX: usize = 500;
/// Characters at most in an experiment tag's value.
pub(crate) const EXPERIMENT_TAG_VALUE_CHARS_MAX: usize = 20_000;
/// Characters at most in an experiment's artifact location.
pub(crate) const ARTIFACT_LOCATION_CHARS_MAX: usize = 2048;
/// Entries at most on a page of runs or experiments.
pub(crate) const PAGE_MAX: i64 = 50_000;

/// Checks the name of a metric, a param or a tag; `path` is what messages call it.
pub(crate) fn check_name(path: impl Display, name: &str) -> Result<()> {
    let is_allowed = |c: char| c.is_alphanumeric() || "_/.- :".contains(c);
    if !name.chars().all(is_allowed) {
        return Err(invalid_value(
            &path.to_string(),
            name,
            "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and \
             slashes (/).",
        ));
    }
    // Most names are no paths at all, and then nothing can be wrong with them as paths.
    if !name.is_empty() && !name.starts_with('.') && !name.contains('/') {
        return Ok(());
    }
    let normal = normal_path(name);
    if normal != name || normal == "." || normal.starts_with("..") || normal.starts_with('/') {
        let normal = repr(&normal);
        return Err(invalid_value(
            &path.to_string(),
            name,
            &format!(
                "Names may be treated as files in certain cases, and must not resolve to other names when treated as \
                 such. This name would resolve to {normal}"
            ),
        ));
    }
    Ok(())
}

/// Checks that a text is not longer than `chars_max`; `what` is what the message calls it.
pub(crate) fn check_length(what: &str, chars_max: usize, text: &str) -> Result<()> {
    // Most texts have fewer bytes than they may have characters, and then need no counting.
    if text.len() <= chars_max || text.chars().count() <= chars_max {
        return Ok(());
    }
    Err(Error::invalid(format!("'{what}' exceeds the maximum length of {chars_max} characters")))
}

/// Cuts a text to `chars_max` characters, as MLflow does with long param and tag values.
pub(crate) fn truncate(mut text: String, chars_max: usize) -> String {
    if text.len() > chars_max
        && let Some((end, _)) = text.char_indices().nth(chars_max)
    {
        text.truncate(end);
    }
    text
}

/// Checks that a batch has at most `limit` of `entities`.
pub(crate) fn check_batch(entities: &str, limit: usize, count: usize) -> Result<()> {
    if count <= limit {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "A batch logging request can contain at most {limit} {entities}. Got {count} {entities}. Please split up \
         {entities} across multiple requests and try again."
    )))
}

/// Checks the shape of a run's id.
pub(crate) fn check_run_id(run_id: &str) -> Result<()> {
    const CHARS_MAX: usize = 256;
    let mut letters = run_id.chars();
    let starts_well = letters.next().is_some_and(|c| c.is_ascii_alphanumeric());
    if starts_well
        && letters.all(|c| c.is_alphanumeric() || c == '_' || c == '-')
        && run_id.chars().count() <= CHARS_MAX
    {
        return Ok(());
    }
    Err(Error::invalid(format!("Invalid value {} for parameter 'run_id' supplied.", json_text(run_id))))
}

/// Checks an experiment's name.
pub(crate) fn check_experiment_name(name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(Error::invalid("Invalid experiment name: ''"));
    }
    check_length("name", EXPERIMENT_NAME_CHARS_MAX, name)
}

/// Checks an experiment's tag, which is refused and not cut when it is too long.
pub(crate) fn check_experiment_tag(key: &str, value: &str) -> Result<()> {
    check_name("key", key)?;
    check_length("key", KEY_CHARS_MAX, key)?;
    check_length("value", EXPERIMENT_TAG_VALUE_CHARS_MAX, value)
}

/// Checks the page size that a search asks for.
pub(crate) fn check_page_size(max_results: i64) -> Result<usize> {
    if max_results < 1 {
        return Err(Error::invalid(format!(
            "Invalid value {max_results} for parameter 'max_results' supplied. It must be a positive integer"
        )));
    }
    match usize::try_from(max_results) {
        Ok(size) if max_results <= PAGE_MAX => Ok(size),
        _ => Err(Error::invalid(format!(
            "Invalid value {max_results} for parameter 'max_results' supplied. It must be at most {PAGE_MAX}"
        ))),
    }
}

/// The error for a text that breaks a rule.
pub(crate) fn invalid_value(path: &str, value: &str, rule: &str) -> Error {
    Error::invalid(format!("Invalid value {} for parameter '{path}' supplied: {rule}", json_text(value)))
}

/// A text as JSON writes it.
fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// What a path means after `.`, `..` and doubled slashes are resolved.
fn normal_path(path: &str) -> String {
    if path.is_empty() {
        return ".".to_owned();
    }
    // POSIX gives exactly two leading slashes a meaning of their own, so they stay two.
    let root = match path.bytes().take_while(|byte| *byte == b'/').count() {
        0 => "",
        2 => "//",
        _ => "/",
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part != ".." {
            parts.push(part);
        } else if parts.last().is_some_and(|last| *last != "..") {
            parts.pop();
        } else if root.is_empty() {
            parts.push(part);
        }
    }
    let joined = format!("{root}{}", parts.join("/"));
    if joined.is_empty() { ".".to_owned() } else { joined }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_paths_must_be_in_their_normal_form() {
        let check = |name: &str, expect: Option<&str>| {
            let resolved = check_name("name", name).err().map(|error| error.to_string());
            let end = expect.map(|path| format!("would resolve to '{path}'"));
            match (&resolved, &end) {
                (None, None) => {}
                (Some(message), Some(end)) if message.ends_with(end) => {}
                _ => panic!("{name:?}: {resolved:?}, not {expect:?}"),
            }
        };
        check("train/loss: a-b.c_d 1é", None);
        check("a/../b", Some("b"));
        check("../a", Some("../a"));
        check("/a", Some("/a"));
        check("a//b", Some("a/b"));
        check("a/", Some("a"));
        check("", Some("."));
        check("./a", Some("a"));
    }

    #[test]
    fn names_have_no_other_punctuation() {
        let error = check_name("metrics[2].name", "a?b").unwrap_err().to_string();
        assert!(error.starts_with(r#"Invalid value "a?b" for parameter 'metrics[2].name' supplied: Names may only"#));
    }

    #[test]
    fn long_values_are_cut_at_characters() {
        assert_eq!(truncate("äöü".to_owned(), 2), "äö");
        assert_eq!(truncate("ab".to_owned(), 2), "ab");
    }
}
