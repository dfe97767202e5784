//! The reader that turns the tables of a YAML tree into values, with exact complaints.

use std::path::Path;

use yaml::{Kind, Node};

use crate::ConfigError;

/// A value of the file together with where it stands.
#[derive(Clone)]
pub(super) struct Place<'a> {
    file: &'a Path,
    key: String,
    line: u64,
    kind: &'a Kind,
}

impl<'a> Place<'a> {
    pub(super) fn root(file: &'a Path, node: &'a Node) -> Self {
        Self { file, key: String::new(), line: node.line.max(1), kind: &node.kind }
    }

    pub(super) fn file(&self) -> &'a Path {
        self.file
    }

    pub(super) fn line(&self) -> u64 {
        self.line
    }

    pub(super) fn key(&self) -> &str {
        &self.key
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Null)
    }

    /// A complaint about this value.
    pub(super) fn error(&self, message: impl Into<String>) -> ConfigError {
        let key = if self.key.is_empty() { "(the whole file)".to_owned() } else { self.key.clone() };
        ConfigError::Invalid { file: self.file.to_owned(), line: self.line, key, message: message.into() }
    }

    /// How messages show this value.
    fn show(&self) -> String {
        match self.kind {
            Kind::Map(_) => "a table".to_owned(),
            kind => kind.words(),
        }
    }

    pub(super) fn wrong(&self, wanted: &str) -> ConfigError {
        self.error(format!("must be {wanted}, but is {}", self.show()))
    }

    /// As [`Self::wrong`], for values that must not be shown.
    fn wrong_unseen(&self, wanted: &str) -> ConfigError {
        self.error(format!("must be {wanted}"))
    }

    pub(super) fn text(&self) -> Result<&'a str, ConfigError> {
        match self.kind {
            Kind::Text(text) if !text.trim().is_empty() => Ok(text),
            Kind::Int(_) | Kind::Float(_) | Kind::Bool(_) => {
                Err(self.error(format!("must be text, but is {}; put it into quotes", self.show())))
            }
            _ => Err(self.wrong("text")),
        }
    }

    pub(super) fn secret_text(&self) -> Result<&'a str, ConfigError> {
        match self.kind {
            Kind::Text(text) if !text.trim().is_empty() => Ok(text),
            _ => {
                Err(self
                    .wrong_unseen("text: a key, `$NAME` of a variable that holds it, or the path of a file with it"))
            }
        }
    }

    /// The value as JSON.
    pub(super) fn json(&self) -> serde_json::Value {
        self.kind.to_value()
    }

    pub(super) fn bool(&self) -> Result<bool, ConfigError> {
        match self.kind {
            Kind::Bool(value) => Ok(*value),
            _ => Err(self.wrong("true or false")),
        }
    }

    /// A number as it is written, digits and a point; `None` for anything else.
    pub(super) fn digits(&self) -> Option<String> {
        match self.kind {
            Kind::Int(value) => Some(value.to_string()),
            Kind::Float(value) => Some(value.to_string()),
            Kind::Text(text) => Some(text.trim().to_owned()),
            _ => None,
        }
    }

    /// A whole number of at least `min`.
    pub(super) fn count(&self, min: u32) -> Result<u32, ConfigError> {
        match self.kind {
            Kind::Int(value) => u32::try_from(*value).ok().filter(|it| *it >= min),
            _ => None,
        }
        .ok_or_else(|| self.wrong(&format!("a whole number of at least {min}")))
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(self.kind, Kind::List(_))
    }

    pub(super) fn list(&self) -> Result<Vec<Place<'a>>, ConfigError> {
        let Kind::List(items) = self.kind else { return Err(self.wrong("a list")) };
        Ok(items
            .iter()
            .enumerate()
            .map(|(index, item)| Place {
                file: self.file,
                key: format!("{}[{index}]", self.key),
                line: item.line,
                kind: &item.kind,
            })
            .collect())
    }

    pub(super) fn table(&self) -> Result<Table<'a>, ConfigError> {
        let Kind::Map(entries) = self.kind else { return Err(self.wrong("a table of keys and values")) };
        let entries = entries
            .iter()
            .map(|entry| {
                let key = if self.key.is_empty() { entry.key.clone() } else { format!("{}.{}", self.key, entry.key) };
                let place = Place { file: self.file, key, line: entry.line, kind: &entry.value.kind };
                (entry.key.as_str(), place)
            })
            .collect();
        Ok(Table { place: self.clone(), entries })
    }
}

/// A table of the file. Its keys are asked for one by one; what nobody asked for is looked at in [`Self::finish`].
pub(super) struct Table<'a> {
    pub(super) place: Place<'a>,
    entries: Vec<(&'a str, Place<'a>)>,
}

impl<'a> Table<'a> {
    /// The value of a key; `null` counts as absent.
    pub(super) fn take(&mut self, key: &str) -> Option<Place<'a>> {
        let index = self.entries.iter().position(|(name, _)| *name == key)?;
        let (_, place) = self.entries.remove(index);
        (!place.is_null()).then_some(place)
    }

    /// Whether a key is there that nobody asked for yet.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|(name, place)| *name == key && !place.is_null())
    }

    pub(super) fn need(&mut self, key: &str, example: &str) -> Result<Place<'a>, ConfigError> {
        self.take(key).ok_or_else(|| match self.lookalike(key) {
            Some((found, place)) => place.error(format!("unknown key `{found}`; did you mean `{key}`?")),
            None => self.place.error(format!("the key `{key}` is missing; write `{example}`")),
        })
    }

    /// A key that nobody asked for yet and that looks like this one misspelt.
    pub(super) fn lookalike(&self, key: &str) -> Option<&(&'a str, Place<'a>)> {
        let found = nearest(key, self.entries.iter().map(|(name, _)| *name))?;
        self.entries.iter().find(|(name, _)| *name == found)
    }

    /// Takes every remaining entry.
    pub(super) fn drain(&mut self) -> Vec<(&'a str, Place<'a>)> {
        std::mem::take(&mut self.entries)
    }

    /// Complains about keys that look like a known one misspelt, and warns of the others: files written for MLflow
    /// may hold keys that mean nothing here.
    pub(super) fn finish(self, known: &[&str]) -> Result<(), ConfigError> {
        for (key, place) in self.entries {
            stranger(key, &place, known)?;
        }
        Ok(())
    }
}

/// An unknown key: an error if it looks like a known one misspelt, a warning otherwise.
pub(super) fn stranger(key: &str, place: &Place<'_>, known: &[&str]) -> Result<(), ConfigError> {
    if let Some(near) = nearest(key, known.iter().copied()) {
        return Err(place.error(format!("unknown key `{key}`; did you mean `{near}`?")));
    }
    tracing::warn!(file = %place.file.display(), line = place.line, key = place.key, "key of the gateway configuration ignored");
    Ok(())
}

/// The candidate most like `text`, if one is like it at all.
pub(super) fn nearest<'c>(text: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    /// Below this Jaro-Winkler likeness two names are different words, not one misspelt.
    const LIKENESS_MIN: f64 = 0.84;
    candidates
        .filter(|it| *it != text)
        .map(|it| (strsim::jaro_winkler(text, it), it))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, it)| it)
}
