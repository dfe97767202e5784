//! The report for programs.

use serde_json::{Map, Value, json};

use crate::evaluation::Evaluation;
use crate::gate::{Level, Stat, Verdict};
use crate::score::{Family, Score, Scored};

/// Everything that is known of an evaluation, answers aside.
pub(crate) fn json(evaluation: &Evaluation<'_>) -> Value {
    let variants: Vec<Value> = evaluation.scored.iter().map(variant).collect();
    json!({
        "name": evaluation.suite.name(),
        "task": evaluation.task.name(),
        "data": {
            "name": evaluation.dataset.name,
            "rows": evaluation.dataset.rows.len(),
            "sha256": evaluation.dataset.digest,
        },
        "variants": variants,
        "gates": gates_json(evaluation),
        "differences": differences(evaluation),
        "stopped": evaluation.stopped,
        "reused": evaluation.reused,
        "exit_code": evaluation.exit_code(),
    })
}

/// The gates alone.
pub(crate) fn gates_json(evaluation: &Evaluation<'_>) -> Value {
    let gates = evaluation.gates.iter().flat_map(|(gate, decisions)| {
        decisions.iter().map(move |decision| {
            let (verdict, rows_needed) = match decision.verdict {
                Verdict::Pass => ("pass", None),
                Verdict::Fail => ("fail", None),
                Verdict::Inconclusive { rows_needed } => ("inconclusive", rows_needed),
            };
            json!({
                "gate": gate.text,
                "variant": decision.variant,
                "verdict": verdict,
                "found": decision.found,
                "level": if gate.level == Level::Warn { "warn" } else { "fail" },
                "more_rows_needed": rows_needed,
            })
        })
    });
    gates.collect()
}

/// Differences to the baseline, where the suite names one.
fn differences(evaluation: &Evaluation<'_>) -> Value {
    let one = |it: &crate::evaluation::Compared| {
        json!({
            "metric": it.metric,
            "variant": it.variant,
            "baseline": evaluation.suite.compare.baseline,
            "difference": it.difference.value,
            "ci": it.difference.interval.map(|(low, high)| json!([low, high])),
            "rows": it.difference.rows,
        })
    };
    evaluation.differences.iter().map(one).collect()
}

fn variant(scored: &Scored) -> Value {
    let metrics: Map<String, Value> = scored.scores.iter().map(|it| (it.name.clone(), score(it))).collect();
    json!({
        "name": scored.variant.name,
        "axes": scored.variant.axes.iter().map(|(axis, value)| (axis.clone(), value.as_str().into())).collect::<Map<_, Value>>(),
        "rows": scored.tried,
        "failed": scored.failed,
        "metrics": metrics,
    })
}

fn score(score: &Score) -> Value {
    let mut fields = Map::new();
    fields.insert("value".to_owned(), score.stat(Stat::Mean).map_or(Value::Null, Value::from));
    if let Some((low, high)) = score.interval {
        fields.insert("ci".to_owned(), json!([low, high]));
    }
    if score.family == Family::Latency {
        for (name, share) in [("p50", 0.5), ("p95", 0.95)] {
            fields.insert(name.to_owned(), score.stat(Stat::Quantile(share)).map_or(Value::Null, Value::from));
        }
    }
    if score.family == Family::Amount {
        fields.insert("sum".to_owned(), score.stat(Stat::Sum).map_or(Value::Null, Value::from));
    }
    fields.insert("rows".to_owned(), json!(score.covered));
    fields.insert("of".to_owned(), json!(score.total));
    Value::Object(fields)
}
