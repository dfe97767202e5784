//! The rows that a table metric can use, in the columns that it needs.

use std::sync::Arc;

use super::Answers;
use super::labels::Labels;
use crate::dataset::{Cell, Dataset};
use crate::metric::Kind;
use crate::metric::classes::Classes;
use crate::metric::numbers::Numbers;
use crate::runner::Outcome;
use crate::suite::Task;
use crate::target::Scores;
use crate::{Error, Result};

/// Expected and predicted side by side, with the dataset row of each.
#[derive(Clone, Debug)]
pub(crate) enum Frame {
    Numbers(Numbers, Vec<usize>),
    Classes(Classes, Vec<usize>),
    None,
}

impl Frame {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Numbers(it, _) => it.expected.len(),
            Self::Classes(it, _) => it.expected.len(),
            Self::None => 0,
        }
    }

    pub(crate) fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// The dataset rows.
    pub(crate) fn rows(&self) -> &[usize] {
        match self {
            Self::Numbers(_, rows) | Self::Classes(_, rows) => rows,
            Self::None => &[],
        }
    }

    /// The frame of the rows at `picks`.
    pub(crate) fn pick(&self, picks: &[usize]) -> Self {
        match self {
            Self::Numbers(it, _) => Self::Numbers(it.pick(picks), Vec::new()),
            Self::Classes(it, _) => Self::Classes(it.pick(picks), Vec::new()),
            Self::None => Self::None,
        }
    }

    /// The value of a metric; `None` where the metric is for other frames.
    pub(crate) fn value(&self, kind: &Kind) -> Option<f64> {
        match (self, kind) {
            (Self::Numbers(numbers, _), Kind::Numbers(measure)) => Some(measure.value(numbers)),
            (Self::Classes(classes, _), Kind::Classes(measure)) => Some(measure.value(classes)),
            _ => None,
        }
    }

    /// The row values of a metric that is their mean.
    pub(crate) fn values(&self, kind: &Kind) -> Option<Vec<f64>> {
        match (self, kind) {
            (Self::Numbers(numbers, _), Kind::Numbers(measure)) => measure.rows(numbers),
            (Self::Classes(classes, _), Kind::Classes(measure)) => measure.rows(classes),
            _ => None,
        }
    }

    /// Values of this frame's rows, put back to their places in the dataset.
    pub(crate) fn spread(&self, values: &[f64], rows: usize) -> Vec<Option<f64>> {
        let mut spread = vec![None; rows];
        for (row, value) in self.rows().iter().zip(values) {
            spread[*row] = Some(*value);
        }
        spread
    }
}

/// Everything a frame is made of.
pub(crate) struct Material<'a> {
    pub(crate) target: &'a str,
    pub(crate) dataset: &'a Dataset,
    pub(crate) expected: usize,
    pub(crate) weights: Option<&'a [Option<f64>]>,
    pub(crate) labels: Option<&'a Labels>,
    pub(crate) scores: Option<&'a Scores>,
    /// Whether a metric compares ranks.
    pub(crate) needs_ranks: bool,
}

impl Material<'_> {
    fn weight(&self, row: usize) -> Option<f64> {
        self.weights.map_or(Some(1.0), |it| it[row])
    }
}

/// Builds the frame of one variant; rows with a gap, a failure or an unreadable answer are left out.
pub(crate) fn frame(task: Task, answers: &Answers, material: &Material<'_>) -> Result<Frame> {
    match task {
        Task::Regression => numbers(answers, material),
        Task::Classification => classes(answers, material),
        Task::Auto | Task::Generate => Ok(Frame::None),
    }
}

fn numbers(answers: &Answers, material: &Material<'_>) -> Result<Frame> {
    let expected = material.dataset.numbers(&material.dataset.columns[material.expected])?;
    let predicted = predicted_numbers(answers, material)?;
    let mut frame = Numbers { weight: material.weights.map(|_| Vec::new()), ..Numbers::default() };
    let mut rows = Vec::new();
    for (row, (expected, predicted)) in expected.into_iter().zip(predicted).enumerate() {
        if let (Some(expected), Some(predicted), Some(weight)) = (expected, predicted, material.weight(row)) {
            frame.expected.push(expected);
            frame.predicted.push(predicted);
            frame.weight.iter_mut().for_each(|it| it.push(weight));
            rows.push(row);
        }
    }
    let frame = if material.needs_ranks { frame.with_places() } else { frame };
    Ok(Frame::Numbers(frame, rows))
}

fn predicted_numbers(answers: &Answers, material: &Material<'_>) -> Result<Vec<Option<f64>>> {
    match answers {
        Answers::Predicted { labels, .. } => labels
            .iter()
            .enumerate()
            .map(|(row, cell)| match (cell, cell.read_number()) {
                (Cell::Missing, _) => Ok(None),
                (_, Some(number)) => Ok(Some(number)),
                (other, None) => Err(Error::Data(format!(
                    "target `{}`: {}: a prediction must be numeric, but is `{}`",
                    material.target,
                    material.dataset.place(row),
                    crate::dataset::shorten(&other.to_string())
                ))),
            })
            .collect(),
        Answers::Asked(cells) => Ok(cells
            .iter()
            .map(|cell| match cell {
                Outcome::Answered(answer) => answer.text.trim().parse().ok().filter(|it: &f64| it.is_finite()),
                Outcome::Failed(_) | Outcome::Skipped => None,
            })
            .collect()),
    }
}

fn classes(answers: &Answers, material: &Material<'_>) -> Result<Frame> {
    let labels = material.labels.ok_or_else(|| Error::Data("classification without labels".to_owned()))?;
    let wrong = |message: String| Error::Data(format!("target `{}`: {message}", material.target));
    let placed = material.scores.map(|it| labels.columns(it)).transpose().map_err(wrong)?;
    let mut frame = Classes {
        labels: Arc::clone(&labels.all),
        positive: labels.positive,
        expected: Vec::new(),
        predicted: Vec::new(),
        scores: placed.as_ref().map(|_| Vec::new()),
        weight: material.weights.map(|_| Vec::new()),
    };
    let mut rows = Vec::new();
    for row in 0..material.dataset.rows.len() {
        let truth = &material.dataset.rows[row][material.expected];
        let place = || material.dataset.place(row);
        let known = |cell: &Cell, what: &str| match labels.position(cell) {
            None if labels.is_closed => Err(wrong(format!("{}: {what} `{cell}` is not in data.labels", place()))),
            other => Ok(other),
        };
        let expected = if truth.is_missing() { None } else { known(truth, "the expected label")? };
        let scores = match (&placed, answers) {
            (Some(placed), Answers::Predicted { scores, .. }) => match of_row(placed, scores, labels, row) {
                Ok(scores) => scores,
                Err(value) => {
                    return Err(wrong(format!("{}: the score {value} is no probability from 0 to 1", place())));
                }
            },
            _ => None,
        };
        let predicted = match answers {
            Answers::Predicted { labels: cells, .. } => match (&cells[row], &scores) {
                (Cell::Missing, Some(scores)) => Some(likeliest(scores)),
                (Cell::Missing, None) => None,
                (cell, _) => known(cell, "the predicted label")?,
            },
            Answers::Asked(cells) => match &cells[row] {
                Outcome::Answered(answer) => labels.position(&Cell::Text(answer.text.trim().to_owned())),
                Outcome::Failed(_) | Outcome::Skipped => None,
            },
        };
        let is_scored = frame.scores.is_none() || scores.is_some();
        let weight = material.weight(row).filter(|_| is_scored);
        if let (Some(expected), Some(predicted), Some(weight)) = (expected, predicted, weight) {
            frame.expected.push(expected);
            frame.predicted.push(predicted);
            if let (Some(all), Some(scores)) = (&mut frame.scores, scores) {
                all.push(scores);
            }
            frame.weight.iter_mut().for_each(|it| it.push(weight));
            rows.push(row);
        }
    }
    Ok(Frame::Classes(frame, rows))
}

/// The probabilities of one row in label order; `None` for a gap, `Err` for a number that is no probability.
fn of_row(
    placed: &[(usize, usize)],
    scores: &[Vec<Option<f64>>],
    labels: &Labels,
    row: usize,
) -> Result<Option<Vec<f64>>, f64> {
    let mut of_row = vec![0.0; labels.all.len()];
    for (label, column) in placed {
        let Some(value) = scores[*column][row] else { return Ok(None) };
        if !(0.0..=1.0).contains(&value) {
            return Err(value);
        }
        of_row[*label] = value;
        if placed.len() == 1 && of_row.len() == 2 {
            of_row[1 - *label] = 1.0 - value;
        }
    }
    Ok(Some(of_row))
}

fn likeliest(scores: &[f64]) -> usize {
    let best = scores.iter().enumerate().rev().max_by(|a, b| a.1.total_cmp(b.1));
    best.map_or(0, |it| it.0)
}
