//! Options of one metric: taken one by one, and whatever is left over is an error.

use serde_json::{Map, Value};

use super::checks::{Folding, Wanted};
use crate::error::nearest;

/// The options that have not been taken yet, and the names that were asked for.
pub(super) struct Options {
    metric: String,
    left: Map<String, Value>,
    known: Vec<String>,
}

impl Options {
    /// The options of `metric`; a plain value is the short form of its main option.
    pub(super) fn of(metric: &str, value: &Value) -> Self {
        let main = match metric {
            "regex_match" => "pattern",
            "all" | "any" => "checks",
            _ => "value",
        };
        let left = match value {
            Value::Null => Map::new(),
            Value::Object(map) => map.clone(),
            other => Map::from_iter([(main.to_owned(), other.clone())]),
        };
        Self { metric: metric.to_owned(), left, known: Vec::new() }
    }

    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.known.push(name.to_owned());
        self.left.remove(name)
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(it)) => Ok(Some(it)),
            Some(other) => Err(self.wrong(name, "text", &other)),
        }
    }

    pub(super) fn bool(&mut self, name: &str) -> Result<Option<bool>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(it)) => Ok(Some(it)),
            Some(other) => Err(self.wrong(name, "true or false", &other)),
        }
    }

    pub(super) fn number(&mut self, name: &str) -> Result<Option<f64>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(value) => value.as_f64().map(Some).ok_or_else(|| self.wrong(name, "a number", &value)),
        }
    }

    pub(super) fn count(&mut self, name: &str) -> Result<Option<usize>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(value) => {
                let count = value.as_u64().and_then(|it| usize::try_from(it).ok());
                count.map(Some).ok_or_else(|| self.wrong(name, "a whole number from 0", &value))
            }
        }
    }

    /// The text or texts to look for; without any it is the row's expectation.
    pub(super) fn wanted(&mut self) -> Result<Wanted, String> {
        let text = |value: &Value| match value {
            Value::String(it) => Some(it.clone()),
            Value::Number(it) => Some(it.to_string()),
            _ => None,
        };
        match self.take("value") {
            None => Ok(Wanted::Expected),
            Some(Value::Array(items)) => {
                let texts: Option<Vec<String>> = items.iter().map(text).collect();
                let texts = texts.filter(|it| !it.is_empty());
                texts
                    .map(Wanted::Texts)
                    .ok_or_else(|| self.wrong("value", "text or a list of texts", &Value::Array(items)))
            }
            Some(value) => match text(&value) {
                Some(it) => Ok(Wanted::Texts(vec![it])),
                None => Err(self.wrong("value", "text or a list of texts", &value)),
            },
        }
    }

    /// What is ignored in a comparison.
    pub(super) fn folding(&mut self, case: bool) -> Result<Folding, String> {
        Ok(Folding {
            case: self.bool("ignore_case")?.unwrap_or(case),
            punctuation: self.bool("ignore_punctuation")?.unwrap_or(false),
            numbers: self.bool("ignore_numbers")?.unwrap_or(false),
        })
    }

    /// Refuses options that nobody asked for.
    pub(super) fn finish(self) -> Result<(), String> {
        match self.left.keys().next() {
            None => Ok(()),
            Some(key) => {
                let known = self.known.iter().map(String::as_str);
                Err(format!("{}: unknown option `{key}`{}", self.metric, nearest(key, known)))
            }
        }
    }

    fn wrong(&self, name: &str, expected: &str, found: &Value) -> String {
        format!("{}.{name}: expected {expected}, found {found}", self.metric)
    }
}
