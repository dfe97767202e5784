//! Tables over labels: MLflow's `per_class_metrics.csv`, and the confusion matrix as data.

use std::sync::Arc;

use super::{Classes, Measure};
use crate::dataset::Cell;
use crate::{Error, Result};

/// One label against the rest, line by line, as MLflow writes it for more than two labels.
pub(crate) fn per_class_csv(classes: &Classes) -> Result<String> {
    let mut columns = vec![
        "true_negatives",
        "false_positives",
        "false_negatives",
        "true_positives",
        "example_count",
        "accuracy_score",
        "recall_score",
        "precision_score",
        "f1_score",
    ];
    if classes.scores.is_some() {
        columns.extend(["roc_auc", "precision_recall_auc"]);
    }
    let mut rows = vec![["positive_class"].iter().chain(&columns).map(|it| (*it).to_owned()).collect::<Vec<_>>()];
    for (position, label) in classes.labels.iter().enumerate() {
        let one = against_the_rest(classes, position);
        let value = |name: &&str| {
            let value = Measure::named(name, None).map_or(f64::NAN, |it| it.value(&one));
            let is_count = name.ends_with("tives") || *name == "example_count";
            if is_count || value.is_nan() { plain(value) } else { format!("{value:?}") }
        };
        rows.push(std::iter::once(label.to_string()).chain(columns.iter().map(value)).collect());
    }
    write(&rows)
}

/// How often each expected label (line) was predicted as each label (column).
pub(crate) fn confusion_csv(classes: &Classes) -> Result<String> {
    let n = classes.labels.len();
    let mut cells = vec![vec![0usize; n]; n];
    for (expected, predicted) in classes.expected.iter().zip(&classes.predicted) {
        cells[*expected][*predicted] += 1;
    }
    let mut rows = vec![
        std::iter::once("expected".to_owned())
            .chain(classes.labels.iter().map(ToString::to_string))
            .collect::<Vec<_>>(),
    ];
    for (label, cells) in classes.labels.iter().zip(&cells) {
        rows.push(std::iter::once(label.to_string()).chain(cells.iter().map(ToString::to_string)).collect());
    }
    write(&rows)
}

fn against_the_rest(classes: &Classes, label: usize) -> Classes {
    let as_binary = |values: &[usize]| values.iter().map(|it| usize::from(*it == label)).collect();
    Classes {
        labels: Arc::new(vec![Cell::Int(0), Cell::Int(1)]),
        positive: Some(1),
        expected: as_binary(&classes.expected),
        predicted: as_binary(&classes.predicted),
        scores: classes
            .scores
            .as_ref()
            .map(|scores| scores.iter().map(|it| vec![1.0 - it[label], it[label]]).collect()),
        weight: classes.weight.clone(),
    }
}

fn plain(value: f64) -> String {
    if value.is_nan() { String::new() } else { value.to_string() }
}

fn write(rows: &[Vec<String>]) -> Result<String> {
    let failed = |it: &dyn std::fmt::Display| Error::File(format!("cannot write a table of labels: {it}"));
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).map_err(|it| failed(&it))?;
    }
    let bytes = writer.into_inner().map_err(|it| failed(&it))?;
    String::from_utf8(bytes).map_err(|it| failed(&it))
}
