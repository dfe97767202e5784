//! An endpoint that the database describes, read as those of a file are, but for what only the operator may write.

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;
use yaml::Node;

use super::settings::Outside;
use super::tree::Place;
use super::{EndpointConfig, endpoint, keys, quotas};
use crate::ConfigError;
use crate::quota::Rule;

/// Who described an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The operator's own file, whose every address is trusted.
    #[default]
    File,
    /// Whoever may use the administration RPCs. An endpoint of theirs has no type: it answers what it is asked.
    Database {
        /// Whether an address of theirs must lead to a public server, at each connection.
        must_be_public: bool,
    },
}

impl Origin {
    /// Whether an address that was chosen must lead to a public server.
    pub(crate) fn must_be_public(self) -> bool {
        self == Self::Database { must_be_public: true }
    }
}

/// One endpoint, described as in a file: `{name, endpoint_type, model: {provider, name, config}}`.
pub(crate) fn endpoint_of(described: &Value, origin: Origin) -> Result<EndpointConfig, ConfigError> {
    let file = Path::new("(database)");
    // JSON is YAML, so that one reader and its complaints serve both.
    let root: Node = serde_saphyr::from_str(&described.to_string()).map_err(|error| ConfigError::Syntax {
        file: file.to_owned(),
        line: 1,
        // Without the excerpt, which might show a key.
        message: error.without_snippet().render_with_formatter(&serde_saphyr::UserMessageFormatter),
    })?;
    endpoint(&Place::root(file, &root), &mut HashMap::new(), &Outside { variable: &|_| None, origin, redis: None })
}

/// The `limits` or `budgets` of a key of the database, which are written as those of a key in the file are.
pub(crate) fn rules_of_key(section: &'static str, said: &Value) -> Result<Vec<Rule>, String> {
    if said.is_null() {
        return Ok(Vec::new());
    }
    let node: Node =
        serde_saphyr::from_str(&said.to_string()).map_err(|error| format!("`{section}` cannot be read: {error}"))?;
    let place = Place::root(Path::new("(database)"), &node);
    let rules = if section == "budgets" { quotas::budgets_of_key(&place) } else { quotas::limits_of_key(&place) };
    rules.map_err(|error| match error {
        ConfigError::Invalid { key, message, .. } => format!("`{section}{key}`: {message}"),
        error => error.to_string(),
    })
}

/// A day or a moment, in seconds since 1970.
pub(crate) fn moment_of(text: &str) -> Option<i64> {
    keys::unix_s_of(text)
}
