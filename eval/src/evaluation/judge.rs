//! From answers to a judgement: scores of every variant, decided gates, differences to the baseline.

use std::collections::{BTreeMap, HashMap};

use super::prepare::Prepared;
use crate::Result;
use crate::gate::{self, Decision, Expression, Gate};
use crate::metric::{Kind as MetricKind, Metric, numbers::Measure};
use crate::runner::Outcome as Cell;
use crate::score::{Answers, Difference, Labels, Material, Scored, Scorer, differences, frame};
use crate::suite::Suite;
use crate::target::{self, Kind};

type Gates = Vec<(Gate, Vec<Decision>)>;

/// One metric of one variant against the baseline.
#[derive(Clone, Debug)]
pub(crate) struct Compared {
    pub(crate) metric: String,
    pub(crate) variant: String,
    pub(crate) difference: Difference,
}

/// Scores every variant, decides the gates and compares with the baseline.
pub(super) fn score(
    suite: &Suite,
    prepared: &Prepared,
    mut cells: Vec<Vec<Cell>>,
) -> Result<(Vec<Scored>, Gates, Vec<Compared>)> {
    let dataset = &prepared.dataset;
    let mut answers = Vec::new();
    for (position, variant) in prepared.variants.iter().enumerate() {
        let of_suite = &suite.targets[variant.target];
        answers.push(match &of_suite.kind {
            Kind::Predictions { label, scores } => {
                let predicted =
                    target::read_predictions(&of_suite.name, label.as_deref(), scores.as_ref(), dataset, &suite.data)?;
                Answers::Predicted { labels: predicted.labels, scores: predicted.scores }
            }
            Kind::Asked { .. } => Answers::Asked(std::mem::take(&mut cells[position])),
        });
    }
    let labels = prepared.labels.as_ref();
    let scorer = Scorer {
        suite,
        dataset,
        metrics: &prepared.metrics,
        expected: prepared.expected,
        weights: prepared.weights.as_deref(),
    };
    let mut scored = Vec::new();
    for (variant, answers) in prepared.variants.iter().zip(answers) {
        let frame = prepared.frame(suite, variant, &answers, labels)?;
        scored.push(scorer.score(variant.clone(), answers, frame));
    }
    let names: Vec<String> = prepared.variants.iter().map(|it| suite.targets[it.target].name.clone()).collect();
    let target_of = |position: usize| names[position].clone();
    let baseline = suite.compare.baseline.as_deref().and_then(|it| gate::baseline_position(&scored, &target_of, it));
    let pairs = compare(suite, prepared, &scored, baseline, &target_of);
    let between = |metric: &str, variant: usize, base: usize| pairs.get(&(variant, base))?.get(metric).cloned();
    let decided = suite.gates.iter().map(|it| (it.clone(), gate::decide(it, &scored, &target_of, &between))).collect();
    let mut differences = Vec::new();
    for (position, variant) in scored.iter().enumerate() {
        let Some(baseline) = baseline.filter(|it| *it != position) else { continue };
        for metric in &prepared.metrics {
            if let Some(difference) = between(&metric.name, position, baseline) {
                let (metric, variant) = (metric.name.clone(), variant.variant.name.clone());
                differences.push(Compared { metric, variant, difference });
            }
        }
    }
    Ok((scored, decided, differences))
}

/// Every paired difference that a gate or the report asks for, each pair of variants resampled once.
fn compare(
    suite: &Suite,
    prepared: &Prepared,
    scored: &[Scored],
    baseline: Option<usize>,
    target_of: &dyn Fn(usize) -> String,
) -> HashMap<(usize, usize), HashMap<String, Difference>> {
    let mut wanted: BTreeMap<usize, Vec<&Metric>> = BTreeMap::new();
    if let Some(baseline) = baseline {
        wanted.insert(baseline, prepared.metrics.iter().collect());
    }
    for gate in &suite.gates {
        if let Expression::Relative { metric, baseline, .. } = &gate.expression
            && let Some(position) = gate::baseline_position(scored, target_of, baseline)
        {
            let metrics = wanted.entry(position).or_default();
            let missing = prepared.metrics.iter().find(|it| it.name == *metric);
            metrics.extend(missing.filter(|it| !metrics.iter().any(|of| of.name == it.name)));
        }
    }
    let mut pairs = HashMap::new();
    for (base, metrics) in wanted {
        for position in (0..scored.len()).filter(|it| *it != base) {
            let is_weighted = prepared.weights.is_some();
            let found = differences(&metrics, &scored[position], &scored[base], &suite.compare, is_weighted);
            pairs.insert((position, base), found);
        }
    }
    pairs
}

impl Prepared {
    pub(super) fn frame(
        &self,
        suite: &Suite,
        variant: &crate::variant::Variant,
        answers: &Answers,
        labels: Option<&Labels>,
    ) -> Result<crate::score::Frame> {
        let Some(expected) = self.expected else { return Ok(crate::score::Frame::None) };
        let of_suite = &suite.targets[variant.target];
        let scores = match &of_suite.kind {
            Kind::Predictions { scores, .. } => scores.as_ref(),
            Kind::Asked { .. } => None,
        };
        let material = Material {
            target: &of_suite.name,
            dataset: &self.dataset,
            expected,
            weights: self.weights.as_deref(),
            labels,
            scores,
            needs_ranks: self.metrics.iter().any(|it| matches!(it.kind, MetricKind::Numbers(Measure::Spearman))),
        };
        frame(self.task, answers, &material)
    }
}
