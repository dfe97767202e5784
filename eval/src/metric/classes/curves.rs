//! Areas under curves over the thresholds of a score.

use super::{Average, Classes};
use crate::stats::{count, mean, sum};

/// The area under the ROC curve: of the positive label, or one label against the rest, averaged.
pub(super) fn roc_auc(classes: &Classes, average: Option<Average>) -> f64 {
    let weight = classes.weight.as_deref();
    if let Some((truth, scores)) = classes.positive_scores() {
        return binary_roc_auc(&truth, &scores, weight);
    }
    let Some(scores) = &classes.scores else { return f64::NAN };
    let (mut areas, mut supports) = (Vec::new(), Vec::new());
    for label in 0..classes.labels.len() {
        let truth: Vec<bool> = classes.expected.iter().map(|it| *it == label).collect();
        let of_label: Vec<f64> = scores.iter().map(|it| it[label]).collect();
        areas.push(binary_roc_auc(&truth, &of_label, weight));
        supports.push(truth.iter().enumerate().filter(|it| *it.1).map(|it| classes.weight(it.0)).sum());
    }
    match average {
        Some(Average::Macro) => mean(&areas, None),
        Some(Average::Micro | Average::Binary) => f64::NAN,
        None | Some(Average::Weighted) => mean(&areas, Some(&supports)),
    }
}

fn binary_roc_auc(truth: &[bool], scores: &[f64], weight: Option<&[f64]>) -> f64 {
    let steps = steps(truth, scores, weight);
    let Some((hits, misses)) = steps.last().copied() else { return f64::NAN };
    if hits == 0.0 || misses == 0.0 {
        return f64::NAN;
    }
    let (mut areas, mut before) = (Vec::with_capacity(steps.len()), (0.0, 0.0));
    for step in steps {
        let at = (step.0 / hits, step.1 / misses);
        areas.push((at.1 - before.1) * (at.0 + before.0) / 2.0);
        before = at;
    }
    sum(&areas)
}

/// The average precision: precision summed over the steps of recall. Undefined without a positive row.
pub(super) fn average_precision(truth: &[bool], scores: &[f64], weight: Option<&[f64]>) -> f64 {
    let steps = steps(truth, scores, weight);
    let hits = steps.last().map_or(0.0, |it| it.0);
    if hits == 0.0 {
        return f64::NAN;
    }
    let (mut parts, mut before) = (Vec::with_capacity(steps.len()), 0.0);
    for (step_hits, step_misses) in steps {
        let (recall, predicted) = (step_hits / hits, step_hits + step_misses);
        parts.push((recall - before) * if predicted == 0.0 { 0.0 } else { step_hits / predicted });
        before = recall;
    }
    sum(&parts)
}

/// The weight of positives and negatives at or above each distinct score, from the greatest down.
fn steps(truth: &[bool], scores: &[f64], weight: Option<&[f64]>) -> Vec<(f64, f64)> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let (mut hits, mut misses, mut steps) = (0.0, 0.0, Vec::new());
    for (position, row) in order.iter().enumerate() {
        let weight = weight.map_or(1.0, |it| it[*row]);
        if truth[*row] {
            hits += weight;
        } else {
            misses += weight;
        }
        let is_last_of_score = order.get(position + 1).is_none_or(|next| scores[*next] < scores[*row]);
        if is_last_of_score {
            steps.push((hits, misses));
        }
    }
    debug_assert!(weight.is_some() || (hits + misses - count(scores.len())).abs() < 0.5, "every row is in a step");
    steps
}
