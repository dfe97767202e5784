//! Finding stretches of text: patterns, and what they match held against rules that no pattern can express.

use std::ops::Range;

use regex::Regex;

/// One thing to find.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// What it is called in records.
    pub(crate) label: String,
    /// What stands in its place where it is masked.
    pub(crate) placeholder: String,
    pub(crate) regex: Regex,
    /// How many bytes of a match are really one; `None` for all of it, `Some` of a function that may say none.
    pub(crate) refine: Option<fn(&str) -> Option<usize>>,
}

/// Something found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) range: Range<usize>,
    /// The index of the rule.
    pub(crate) rule: usize,
}

/// Looks for several things at once.
#[derive(Clone, Debug)]
pub(crate) struct Finder {
    rules: Vec<Rule>,
}

impl Finder {
    pub(crate) fn new(rules: Vec<Rule>) -> Self {
        Self { rules }
    }

    pub(super) fn rule(&self, found: &Found) -> &Rule {
        &self.rules[found.rule]
    }

    /// A text with placeholders for what is found in it; `None` where that is nothing.
    pub(crate) fn masked(&self, text: &str) -> Option<String> {
        let found = self.scan(text, 0, text.len());
        if found.is_empty() {
            return None;
        }
        let mut masked = String::with_capacity(text.len());
        let mut end = 0;
        for it in &found {
            masked.push_str(&text[end..it.range.start]);
            masked.push_str(&self.rule(it).placeholder);
            end = it.range.end;
        }
        masked.push_str(&text[end..]);
        Some(masked)
    }

    /// Whether there is anything in a text.
    pub(super) fn is_in(&self, text: &str) -> Option<&Rule> {
        (0..self.rules.len()).find_map(|rule| self.next(rule, text, 0)).map(|it| self.rule(&it))
    }

    /// What begins in `text[from..until]`: the leftmost first, of two that begin together the longer one; none overlap.
    pub(super) fn scan(&self, text: &str, mut from: usize, until: usize) -> Vec<Found> {
        let mut found = Vec::new();
        let mut candidates: Vec<Option<Found>> = (0..self.rules.len()).map(|it| self.next(it, text, from)).collect();
        loop {
            let nearest = candidates.iter().flatten().min_by_key(|it| (it.range.start, usize::MAX - it.range.end));
            let Some(nearest) = nearest.filter(|it| it.range.start < until).cloned() else { return found };
            from = nearest.range.end;
            found.push(nearest);
            for (rule, candidate) in candidates.iter_mut().enumerate() {
                if candidate.as_ref().is_some_and(|it| it.range.start < from) {
                    *candidate = self.next(rule, text, from);
                }
            }
        }
    }

    /// The next match of a rule that begins at `from` or after it.
    fn next(&self, rule: usize, text: &str, mut from: usize) -> Option<Found> {
        let Rule { regex, refine, .. } = &self.rules[rule];
        while from <= text.len() {
            let candidate = regex.find_at(text, from)?;
            let length = refine.map_or(Some(candidate.len()), |it| it(candidate.as_str()));
            match length.filter(|it| *it > 0) {
                Some(length) => {
                    return Some(Found { range: candidate.start()..candidate.start() + length, rule });
                }
                // Something real may begin within what only looked like it.
                None => from = candidate.start() + 1,
            }
            while from < text.len() && !text.is_char_boundary(from) {
                from += 1;
            }
        }
        None
    }
}
