//! The environment variables that say how buckets are reached, read once when the server starts.

use std::collections::HashMap;

use crate::{Error, Result};

/// What the variables of interest start with; nothing else of the environment is kept.
const PREFIXES: &[&str] = &["AWS_", "AZURE_", "GOOGLE_", "IDENTITY_", "MLFLOW_", "STORAGE_EMULATOR_HOST", "HOME"];

/// A copy of the variables. It holds secrets, so it shows nothing.
#[derive(Clone, Default)]
pub(in crate::artifacts) struct Environment {
    variables: HashMap<String, String>,
}

impl Environment {
    /// The variables of this process.
    pub(in crate::artifacts) fn of_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        let of_interest = |(name, _): &(String, String)| PREFIXES.iter().any(|it| name.starts_with(it));
        Self { variables: std::env::vars_os().filter_map(text).filter(of_interest).collect() }
    }

    #[cfg(test)]
    pub(in crate::artifacts) fn of(pairs: &[(&str, &str)]) -> Self {
        Self { variables: pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect() }
    }

    /// The value of a variable that is set to something.
    pub(in crate::artifacts) fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(|it| it.trim()).filter(|it| !it.is_empty())
    }

    /// The first of several variables that is set.
    pub(in crate::artifacts) fn first(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.get(name))
    }

    /// A variable that is true or false.
    pub(in crate::artifacts) fn flag(&self, name: &str) -> Result<bool> {
        match self.get(name).map(str::to_ascii_lowercase).as_deref() {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(other) => Err(Error::invalid(format!("{name} must be `true` or `false`, got `{other}`"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_and_first_values() {
        let environment = Environment::of(&[("A", "TRUE"), ("B", "0"), ("C", "maybe"), ("D", " "), ("E", "x")]);
        assert!(environment.flag("A").unwrap());
        assert!(!environment.flag("B").unwrap());
        assert!(!environment.flag("nothing").unwrap());
        let error = environment.flag("C").unwrap_err().to_string();
        assert_eq!(error, "C must be `true` or `false`, got `maybe`");
        assert_eq!(environment.first(&["D", "E"]), Some("x"));
    }
}
