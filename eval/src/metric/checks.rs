//! Checks of a text answer: one score a row, most of them pass or fail.

use std::collections::HashMap;

use regex::Regex;
use serde_json::Value;

use crate::prompt;

/// A check of one answer.
#[derive(Clone, Debug)]
pub(crate) enum Check {
    /// The answer is the text.
    Equals { wanted: Wanted, folding: Folding },
    /// The answer has the text in it.
    Contains { wanted: Wanted, folding: Folding, any: bool },
    /// The answer begins with the text.
    StartsWith { wanted: Wanted, folding: Folding },
    /// The answer ends with the text.
    EndsWith { wanted: Wanted, folding: Folding },
    /// The pattern is found in the answer.
    Matches(Regex),
    /// The answer's length is inside the bounds.
    Length { min: usize, max: usize, unit: Unit },
    /// The answer is JSON.
    IsJson,
    /// `SQuAD`'s exact match after its normalisation.
    SquadExact(Wanted),
    /// `SQuAD`'s F1 over the words after its normalisation.
    SquadF1(Wanted),
    /// The check the other way round.
    Not(Box<Check>),
    /// All checks pass.
    All(Vec<Check>),
    /// One of the checks passes.
    Any(Vec<Check>),
}

/// The text that is looked for.
#[derive(Clone, Debug)]
pub(crate) enum Wanted {
    /// The row's `expected` column.
    Expected,
    /// Texts of the suite, each a template over the row.
    Texts(Vec<String>),
}

/// What is ignored when texts are compared.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Folding {
    pub(crate) case: bool,
    pub(crate) punctuation: bool,
    pub(crate) numbers: bool,
}

/// What a length counts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit {
    Chars,
    Words,
}

/// What a check sees of one row.
pub(crate) struct Seen<'a> {
    pub(crate) output: &'a str,
    pub(crate) expected: Option<&'a str>,
    /// The row, the answer and the expectation, for templates.
    pub(crate) context: &'a Value,
}

impl Check {
    /// The score; `None` where the row lacks what the check needs, or a template cannot be rendered.
    pub(crate) fn score(&self, seen: &Seen<'_>) -> Option<f64> {
        let passed = match self {
            Self::SquadF1(wanted) => {
                let answer = squad_words(seen.output);
                return wanted.texts(seen)?.iter().map(|it| f1(&answer, &squad_words(it))).reduce(f64::max);
            }
            Self::Equals { wanted, folding } => {
                let output = folding.apply(seen.output);
                wanted.texts(seen)?.iter().any(|it| output == folding.apply(it))
            }
            Self::Contains { wanted, folding, any } => {
                let output = folding.apply(seen.output);
                let texts = wanted.texts(seen)?;
                let found = |it: &String| output.contains(&folding.apply(it));
                if *any { texts.iter().any(found) } else { texts.iter().all(found) }
            }
            Self::StartsWith { wanted, folding } => {
                let output = folding.apply(seen.output);
                wanted.texts(seen)?.iter().any(|it| output.starts_with(&folding.apply(it)))
            }
            Self::EndsWith { wanted, folding } => {
                let output = folding.apply(seen.output);
                wanted.texts(seen)?.iter().any(|it| output.ends_with(&folding.apply(it)))
            }
            Self::Matches(regex) => regex.is_match(seen.output),
            Self::Length { min, max, unit } => {
                let length = match unit {
                    Unit::Chars => seen.output.chars().count(),
                    Unit::Words => seen.output.split_whitespace().count(),
                };
                (*min..=*max).contains(&length)
            }
            Self::IsJson => serde_json::from_str::<serde::de::IgnoredAny>(seen.output).is_ok(),
            Self::SquadExact(wanted) => {
                let answer = squad_words(seen.output);
                wanted.texts(seen)?.iter().any(|it| answer == squad_words(it))
            }
            Self::Not(check) => return check.score(seen).map(|it| 1.0 - it),
            Self::All(checks) => return fold(checks, seen, f64::min),
            Self::Any(checks) => return fold(checks, seen, f64::max),
        };
        Some(f64::from(u8::from(passed)))
    }

    /// Whether the check only passes or fails.
    pub(crate) fn is_boolean(&self) -> bool {
        match self {
            Self::SquadF1(_) => false,
            Self::Not(check) => check.is_boolean(),
            Self::All(checks) | Self::Any(checks) => checks.iter().all(Self::is_boolean),
            _ => true,
        }
    }

    /// The texts of the suite that are templates.
    pub(crate) fn templates(&self) -> Vec<&str> {
        match self {
            Self::Equals { wanted, .. }
            | Self::Contains { wanted, .. }
            | Self::StartsWith { wanted, .. }
            | Self::EndsWith { wanted, .. }
            | Self::SquadExact(wanted)
            | Self::SquadF1(wanted) => match wanted {
                Wanted::Expected => Vec::new(),
                Wanted::Texts(texts) => texts.iter().map(String::as_str).collect(),
            },
            Self::Not(check) => check.templates(),
            Self::All(checks) | Self::Any(checks) => checks.iter().flat_map(Self::templates).collect(),
            Self::Matches(_) | Self::Length { .. } | Self::IsJson => Vec::new(),
        }
    }

    /// Whether the check compares with the row's `expected` column.
    pub(crate) fn needs_expected(&self) -> bool {
        match self {
            Self::Equals { wanted, .. }
            | Self::Contains { wanted, .. }
            | Self::StartsWith { wanted, .. }
            | Self::EndsWith { wanted, .. }
            | Self::SquadExact(wanted)
            | Self::SquadF1(wanted) => matches!(wanted, Wanted::Expected),
            Self::Not(check) => check.needs_expected(),
            Self::All(checks) | Self::Any(checks) => checks.iter().any(Self::needs_expected),
            Self::Matches(_) | Self::Length { .. } | Self::IsJson => false,
        }
    }
}

impl Wanted {
    fn texts(&self, seen: &Seen<'_>) -> Option<Vec<String>> {
        match self {
            Self::Expected => seen.expected.map(|it| vec![it.to_owned()]),
            Self::Texts(texts) => texts
                .iter()
                .map(|it| if it.contains("{{") { prompt::render(it, seen.context).ok() } else { Some(it.clone()) })
                .collect(),
        }
    }
}

impl Folding {
    fn apply(self, text: &str) -> String {
        let mut text = if self.case { text.to_lowercase() } else { text.to_owned() };
        if self.punctuation {
            text.retain(|it| !it.is_ascii_punctuation());
        }
        if self.numbers {
            text.retain(|it| !it.is_ascii_digit());
        }
        text
    }
}

fn fold(checks: &[Check], seen: &Seen<'_>, choose: fn(f64, f64) -> f64) -> Option<f64> {
    checks.iter().map(|it| it.score(seen)).collect::<Option<Vec<_>>>()?.into_iter().reduce(choose)
}

/// `SQuAD`'s normalisation: lower case, no punctuation, no articles, single spaces.
fn squad_words(text: &str) -> Vec<String> {
    let mut text = text.to_lowercase();
    text.retain(|it| !it.is_ascii_punctuation());
    text.split_whitespace().filter(|it| !["a", "an", "the"].contains(it)).map(ToOwned::to_owned).collect()
}

fn f1(answer: &[String], truth: &[String]) -> f64 {
    use crate::stats::count;
    if answer.is_empty() || truth.is_empty() {
        return f64::from(u8::from(answer == truth));
    }
    let mut left: HashMap<&str, usize> = HashMap::new();
    for word in truth {
        *left.entry(word).or_default() += 1;
    }
    let mut common = 0;
    for word in answer {
        if let Some(n) = left.get_mut(word.as_str()).filter(|it| **it > 0) {
            *n -= 1;
            common += 1;
        }
    }
    if common == 0 {
        return 0.0;
    }
    let (precision, recall) = (count(common) / count(answer.len()), count(common) / count(truth.len()));
    2.0 * precision * recall / (precision + recall)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(check: &Check, output: &str, expected: &str, score: f64) {
        let seen = Seen { output, expected: Some(expected), context: &serde_json::json!({"city": "Paris"}) };
        let found = check.score(&seen).unwrap();
        assert!((found - score).abs() < 1e-12, "{check:?} of {output:?}: {found}, not {score}");
    }

    #[test]
    fn scores_of_answers() {
        let plain = Folding::default();
        let fold = Folding { case: true, ..plain };
        let texts = |it: &[&str]| Wanted::Texts(it.iter().map(|it| (*it).to_owned()).collect());
        let equals = Check::Equals { wanted: Wanted::Expected, folding: plain };
        check(&equals, "Paris", "Paris", 1.0);
        check(&equals, "paris", "Paris", 0.0);
        check(&Check::Contains { wanted: Wanted::Expected, folding: fold, any: false }, "It is PARIS.", "Paris", 1.0);
        let both = Check::Contains { wanted: texts(&["a", "b"]), folding: plain, any: false };
        check(&both, "a", "", 0.0);
        check(&Check::Contains { wanted: texts(&["a", "b"]), folding: plain, any: true }, "a", "", 1.0);
        check(&Check::Contains { wanted: texts(&["{{ city }}"]), folding: plain, any: false }, "in Paris", "", 1.0);
        check(&Check::StartsWith { wanted: texts(&["It"]), folding: plain }, "It is", "", 1.0);
        check(&Check::EndsWith { wanted: texts(&["."]), folding: plain }, "It is", "", 0.0);
        check(&Check::Matches(Regex::new(r"^\d+$").unwrap()), "42", "", 1.0);
        check(&Check::Length { min: 0, max: 2, unit: Unit::Words }, "one two three", "", 0.0);
        check(&Check::IsJson, "{\"a\": 1}", "", 1.0);
        check(&Check::IsJson, "{a: 1}", "", 0.0);
        check(&Check::SquadExact(Wanted::Expected), "The cat!", "cat", 1.0);
        check(&Check::SquadF1(Wanted::Expected), "the big cat", "cat sat", 0.5);
        check(&Check::Not(Box::new(equals.clone())), "x", "y", 1.0);
        check(&Check::All(vec![equals.clone(), Check::IsJson]), "1", "1", 1.0);
        check(&Check::Any(vec![equals, Check::IsJson]), "{", "1", 0.0);
    }
}
