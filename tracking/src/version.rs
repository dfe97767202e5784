//! Versions of registered models, as far as runs lead to them; they are read here and written elsewhere.

use std::sync::LazyLock;

use regex::Regex;
use serde::Serialize;

use crate::{Error, Result, experiment::Tag};

/// A version of a registered model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelVersion {
    /// The registered model's name.
    pub name: String,
    /// Its number.
    #[serde(serialize_with = "as_text")]
    pub version: i64,
    /// When it was created (ms since 1970).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<i64>,
    /// When it last changed (ms since 1970).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_updated_timestamp: Option<i64>,
    /// Who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// Its stage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_stage: Option<String>,
    /// Words about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where its files came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The run that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// Whether it can be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Words about its status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_message: Option<String>,
    /// A link to the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_link: Option<String>,
    /// What was attached to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
    /// The names that point at it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands fields by reference")]
fn as_text<S: serde::Serializer>(number: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(number)
}

/// Which versions are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VersionFilter {
    /// All.
    All,
    /// Those of one registered model.
    Model(String),
    /// Those that these runs made.
    Runs(Vec<String>),
}

impl VersionFilter {
    /// Reads the filters that lead from a model or from runs to versions: `name = 'x'`, `run_id = 'x'`,
    /// `run_id IN ('x', 'y')`, and the empty one.
    pub fn parse(filter: &str) -> Result<Self> {
        static EQUALS: LazyLock<Regex> = LazyLock::new(|| {
            Regex::new(r#"^(name|run_id)\s*=\s*(?:'([^']*)'|"([^"]*)")$"#).expect("the pattern is well formed")
        });
        static IN: LazyLock<Regex> = LazyLock::new(|| {
            Regex::new(r"(?i)^run_id\s+IN\s*\(\s*('[^']*'(?:\s*,\s*'[^']*')*)\s*\)$")
                .expect("the pattern is well formed")
        });
        let filter = filter.trim();
        if filter.is_empty() {
            return Ok(Self::All);
        }
        if let Some(found) = EQUALS.captures(filter) {
            let text = found.get(2).or(found.get(3)).map_or("", |it| it.as_str()).to_owned();
            return Ok(if &found[1] == "name" { Self::Model(text) } else { Self::Runs(vec![text]) });
        }
        if let Some(found) = IN.captures(filter) {
            let ids = found[1].split(',').map(|it| it.trim().trim_matches('\'').to_owned());
            return Ok(Self::Runs(ids.collect()));
        }
        Err(Error::Unsupported(format!(
            "The filter `{filter}` for model versions is not offered by this version of Tidegate. It takes: name = 'x', \
             run_id = 'x', run_id IN ('x', 'y')."
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_lead_from_models_and_runs() {
        let check = |filter: &str, expect: VersionFilter| assert_eq!(VersionFilter::parse(filter).unwrap(), expect);
        check(" ", VersionFilter::All);
        check("name='a b'", VersionFilter::Model("a b".to_owned()));
        check("run_id = \"r\"", VersionFilter::Runs(vec!["r".to_owned()]));
        check("run_id in ('r', 's')", VersionFilter::Runs(vec!["r".to_owned(), "s".to_owned()]));
        let words = VersionFilter::parse("version_number > 3").unwrap_err().to_string();
        assert!(words.contains("version_number > 3"), "{words}");
    }
}
