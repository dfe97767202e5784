//! The labels of a classification: their order, the positive one, and the score columns that belong to them.

use std::cmp::Ordering;
use std::sync::Arc;

use serde_json::Value;

use crate::dataset::{Cell, label_order};
use crate::target::Scores;
use crate::{Error, Result};

/// The labels that all variants share.
#[derive(Clone, Debug)]
pub(crate) struct Labels {
    pub(crate) all: Arc<Vec<Cell>>,
    /// The position of the positive one, where there are two.
    pub(crate) positive: Option<usize>,
    /// Whether the suite lists them.
    pub(super) is_closed: bool,
}

impl Labels {
    /// The suite's labels, or those that are expected or predicted anywhere.
    pub(crate) fn of(
        declared: Option<&Vec<Value>>,
        positive: Option<&Value>,
        seen: impl Iterator<Item = Cell>,
        shown: &str,
    ) -> Result<Self> {
        /// A table with more labels than this is none of classes; the matrix of labels would not fit either.
        const LABELS_MAX: usize = 10_000;
        let mut all: Vec<Cell> = match declared {
            Some(labels) => labels.iter().cloned().map(Cell::of_json).collect(),
            None => seen.filter(|it| !it.is_missing()).collect(),
        };
        all.sort_by(label_order);
        all.dedup_by(|a, b| label_order(a, b) == Ordering::Equal);
        let n = all.len();
        if n > LABELS_MAX {
            return Err(Error::Data(format!("{shown}: {n} different labels; is this a regression? Set `task`")));
        }
        if n < 2 {
            let message =
                format!("{shown}: classification needs at least two labels, found {n}; list them in data.labels");
            return Err(Error::Data(message));
        }
        let mut labels = Self { all: Arc::new(all), positive: None, is_closed: declared.is_some() };
        if n != 2 && positive.is_some() {
            return Err(Error::Data(format!(
                "{shown}: data.positive is for two labels, found {n}: {}",
                labels.listed()
            )));
        }
        if n == 2 {
            labels.positive = Some(match positive {
                None => 1,
                Some(wanted) => {
                    let cell = Cell::of_json(wanted.clone());
                    labels.position(&cell).ok_or_else(|| {
                        Error::Data(format!(
                            "{shown}: data.positive is `{cell}`, but the labels are {}",
                            labels.listed()
                        ))
                    })?
                }
            });
        }
        Ok(labels)
    }

    /// Where a label is; text that spells a label is that label.
    pub(crate) fn position(&self, cell: &Cell) -> Option<usize> {
        self.all.binary_search_by(|it| label_order(it, cell)).ok().or_else(|| {
            let Cell::Text(text) = cell else { return None };
            self.all.iter().position(|it| it.to_string() == text.trim())
        })
    }

    /// Which score column belongs to which label: pairs of label and column.
    pub(super) fn columns(&self, scores: &Scores) -> Result<Vec<(usize, usize)>, String> {
        let n = self.all.len();
        match scores {
            Scores::Positive(_) => match self.positive {
                Some(positive) => Ok(vec![(positive, 0)]),
                None => {
                    Err(format!("one score column, but {n} labels; name a column for each: scores: {{label: column}}"))
                }
            },
            Scores::InOrder(columns) if columns.len() == n => Ok((0..n).map(|it| (it, it)).collect()),
            Scores::InOrder(columns) => Err(format!("{} score columns, but {n} labels", columns.len())),
            Scores::PerLabel(columns) => {
                let mut placed = Vec::new();
                for (column, (label, _)) in columns.iter().enumerate() {
                    let position = self.all.iter().position(|it| it.to_string() == *label);
                    let position = position.ok_or_else(|| {
                        format!("scores name the label `{label}`, but the labels are {}", self.listed())
                    })?;
                    placed.push((position, column));
                }
                if placed.len() != n {
                    return Err(format!("scores for {} labels, but there are {n}: {}", placed.len(), self.listed()));
                }
                Ok(placed)
            }
        }
    }

    fn listed(&self) -> String {
        /// More names than this do not help a reader.
        const LISTED_MAX: usize = 20;
        let mut names: Vec<String> = self.all.iter().take(LISTED_MAX).map(ToString::to_string).collect();
        if self.all.len() > LISTED_MAX {
            names.push("…".to_owned());
        }
        names.join(", ")
    }
}
