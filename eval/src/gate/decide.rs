//! Decides gates from scores.

use super::{Expression, Gate, Margin, Relation, Stat};
use crate::score::{Difference, Scored};
use crate::stats::count;

/// A decided gate for one variant.
#[derive(Clone, Debug)]
pub(crate) struct Decision {
    pub(crate) variant: String,
    pub(crate) verdict: Verdict,
    /// What was found, in words.
    pub(crate) found: String,
}

/// How a gate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Pass,
    Fail,
    /// The interval contains both answers; about so many more rows would decide, where that can be said.
    Inconclusive {
        rows_needed: Option<usize>,
    },
}

/// Decides a gate for every variant it is for. `difference` gives the paired difference between two variants.
pub(crate) fn decide(
    gate: &Gate,
    scored: &[Scored],
    targets: &dyn Fn(usize) -> String,
    difference: &dyn Fn(&str, usize, usize) -> Option<Difference>,
) -> Vec<Decision> {
    let mut decisions = Vec::new();
    for (position, variant) in scored.iter().enumerate() {
        let name = &variant.variant.name;
        let is_for = gate.targets.is_empty() || gate.targets.iter().any(|it| it == name || *it == targets(position));
        if !is_for {
            continue;
        }
        let decided = match &gate.expression {
            Expression::Threshold { metric, stat, operator, bound } => {
                let Some(score) = variant.score(metric) else { continue };
                match score.stat(*stat) {
                    None => {
                        let is_bound = matches!(stat, Stat::CiLow | Stat::CiHigh) && !score.value.is_nan();
                        let verdict =
                            if is_bound { Verdict::Inconclusive { rows_needed: None } } else { Verdict::Fail };
                        (verdict, if is_bound { "no interval".to_owned() } else { "undefined".to_owned() })
                    }
                    Some(value) => {
                        let verdict = if operator.holds(value, *bound) { Verdict::Pass } else { Verdict::Fail };
                        (verdict, crate::report::number(value))
                    }
                }
            }
            Expression::Relative { metric, relation, baseline, margin } => {
                let Some(base) = baseline_position(scored, targets, baseline) else { continue };
                if base == position {
                    continue;
                }
                match difference(metric, position, base) {
                    None => (Verdict::Fail, "undefined".to_owned()),
                    Some(difference) => relative(*relation, *margin, &difference),
                }
            }
        };
        decisions.push(Decision { variant: name.clone(), verdict: decided.0, found: decided.1 });
    }
    decisions
}

/// The variant that a name means: a variant's own, or a target's with a single variant.
pub(crate) fn baseline_position(scored: &[Scored], targets: &dyn Fn(usize) -> String, name: &str) -> Option<usize> {
    scored.iter().position(|it| it.variant.name == name).or_else(|| (0..scored.len()).find(|it| targets(*it) == name))
}

fn relative(relation: Relation, margin: Margin, difference: &Difference) -> (Verdict, String) {
    let margin = match margin {
        Margin::Absolute(it) => it,
        Margin::Share(share) => share * difference.baseline.abs(),
    };
    // Turned so that up is better.
    let sign = if difference.greater_is_better { 1.0 } else { -1.0 };
    let gain = sign * difference.value;
    let number = crate::report::number;
    let Some((low, high)) = difference.interval else {
        let found = format!("difference {}, too few rows for an interval", number(difference.value));
        return (Verdict::Inconclusive { rows_needed: None }, found);
    };
    let found = format!("difference {} [{}, {}]", number(difference.value), number(low), number(high));
    let (low, high) = if sign > 0.0 { (low, high) } else { (-high, -low) };
    let open = |bound: f64| {
        let (half, distance) = ((high - low) / 2.0, (gain - bound).abs());
        let factor = (half / distance).powi(2);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded just before")]
        let rows_needed = (factor.is_finite() && factor > 1.0 && factor < 1e9)
            .then(|| (count(difference.rows) * (factor - 1.0)).ceil() as usize);
        Verdict::Inconclusive { rows_needed }
    };
    let verdict = match relation {
        Relation::Better if low > margin => Verdict::Pass,
        Relation::Better if high <= margin => Verdict::Fail,
        Relation::Better => open(margin),
        Relation::NotWorse if low >= -margin => Verdict::Pass,
        Relation::NotWorse if high < -margin => Verdict::Fail,
        Relation::NotWorse => open(-margin),
        Relation::Equivalent if low >= -margin && high <= margin => Verdict::Pass,
        Relation::Equivalent if high < -margin || low > margin => Verdict::Fail,
        Relation::Equivalent => open(if gain < 0.0 { -margin } else { margin }),
    };
    (verdict, found)
}
