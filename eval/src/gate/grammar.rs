//! The grammar of gate expressions.

use std::sync::LazyLock;

use regex::Regex;

use super::{Expression, Margin, Relation, Stat};
use crate::metric::{Fault, Operator};

static THRESHOLD: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^(?<metric>[\w@/.-]+?)(?:\.(?<stat>mean|ci\.low|ci\.high|p\d+(?:\.\d+)?|min|max|sum|rate))?\s*(?<operator><=|>=|==|<|>)\s*(?<bound>[-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*(?<unit>%|ms|s|m|h|usd|USD|\$)?$")
        .expect("the pattern is fixed, a test uses it")
});

static RELATIVE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^(?<metric>[\w@/.-]+)\s+(?<relation>better than|not worse than|equivalent to)\s+(?<baseline>\S+)(?:\s+(?<word>by|within)\s+(?<margin>[\d.]+(?:[eE][-+]?\d+)?)\s*(?<percent>%)?)?$")
        .expect("the pattern is fixed, a test uses it")
});

/// Reads an expression.
pub(super) fn parse(text: &str) -> Result<Expression, Fault> {
    let text = text.trim();
    if text.starts_with("worst(") {
        return Err(Fault::Unsupported("worst(…)".to_owned(), "results per slice".to_owned()));
    }
    if let Some(found) = RELATIVE.captures(text) {
        return relative(text, &found);
    }
    let Some(found) = THRESHOLD.captures(text) else {
        return Err(format!(
            "`{text}` is no gate; write `metric <= 0.5`, `metric.p95 <= 4s`, `metric better than NAME`, \
             `metric not worse than NAME by 0.01` or `metric equivalent to NAME within 0.01`"
        )
        .into());
    };
    let bound: f64 = found["bound"].parse().map_err(|_| format!("`{text}`: `{}` is no number", &found["bound"]))?;
    let scale = match found.name("unit").map(|it| it.as_str()) {
        Some("%") => 0.01,
        Some("ms") => 0.001,
        Some("m") => 60.0,
        Some("h") => 3600.0,
        _ => 1.0,
    };
    let stat = match found.name("stat").map(|it| it.as_str()) {
        None | Some("mean" | "rate") => Stat::Mean,
        Some("ci.low") => Stat::CiLow,
        Some("ci.high") => Stat::CiHigh,
        Some("min") => Stat::Min,
        Some("max") => Stat::Max,
        Some("sum") => Stat::Sum,
        Some(quantile) => {
            let share = quantile[1..].parse::<f64>().ok().filter(|it| (0.0..=100.0).contains(it));
            Stat::Quantile(
                share.ok_or_else(|| format!("`{text}`: `{quantile}` is no percentile from p0 to p100"))? / 100.0,
            )
        }
    };
    let operator = Operator::parse(&found["operator"]).expect("the pattern has the operators only");
    Ok(Expression::Threshold { metric: found["metric"].to_owned(), stat, operator, bound: bound * scale })
}

fn relative(text: &str, found: &regex::Captures<'_>) -> Result<Expression, Fault> {
    let relation = match &found["relation"] {
        "better than" => Relation::Better,
        "not worse than" => Relation::NotWorse,
        _ => Relation::Equivalent,
    };
    let word = found.name("word").map(|it| it.as_str());
    let wanted = if relation == Relation::Equivalent { "within" } else { "by" };
    if word.is_some_and(|it| it != wanted) {
        return Err(format!("`{text}`: `{}` takes `{wanted}` before its margin", &found["relation"]).into());
    }
    if word.is_none() && relation != Relation::Better {
        return Err(format!("`{text}`: the margin is missing, for example `{wanted} 0.01`").into());
    }
    let margin: f64 = match found.name("margin") {
        None => 0.0,
        Some(it) => it.as_str().parse().map_err(|_| format!("`{text}`: `{}` is no number", it.as_str()))?,
    };
    let margin = if found.name("percent").is_some() { Margin::Share(margin / 100.0) } else { Margin::Absolute(margin) };
    Ok(Expression::Relative {
        metric: found["metric"].to_owned(),
        relation,
        baseline: found["baseline"].to_owned(),
        margin,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<Expression>) {
        match (parse(text), expected) {
            (Ok(found), Some(expected)) => assert_eq!(found, expected, "{text}"),
            (Err(_), None) => {}
            (Ok(found), None) => panic!("{text} parsed as {found:?}"),
            (Err(_), Some(_)) => panic!("{text} did not parse"),
        }
    }

    fn threshold(metric: &str, stat: Stat, operator: Operator, bound: f64) -> Expression {
        Expression::Threshold { metric: metric.to_owned(), stat, operator, bound }
    }

    #[test]
    fn reads_the_grammar_and_nothing_else() {
        check("rmse <= 0.80", Some(threshold("rmse", Stat::Mean, Operator::AtMost, 0.8)));
        check("latency.p95<=4s", Some(threshold("latency", Stat::Quantile(0.95), Operator::AtMost, 4.0)));
        check("latency < 250ms", Some(threshold("latency", Stat::Mean, Operator::Below, 0.25)));
        check("errors <= 1%", Some(threshold("errors", Stat::Mean, Operator::AtMost, 0.01)));
        check("f1.ci.low > -1e-3", Some(threshold("f1", Stat::CiLow, Operator::Above, -0.001)));
        check("cost.sum <= 2 usd", Some(threshold("cost", Stat::Sum, Operator::AtMost, 2.0)));
        check(
            "r2 not worse than a/b by 1%",
            Some(Expression::Relative {
                metric: "r2".to_owned(),
                relation: Relation::NotWorse,
                baseline: "a/b".to_owned(),
                margin: Margin::Share(0.01),
            }),
        );
        check(
            "auc better than old",
            Some(Expression::Relative {
                metric: "auc".to_owned(),
                relation: Relation::Better,
                baseline: "old".to_owned(),
                margin: Margin::Absolute(0.0),
            }),
        );
        for wrong in
            ["rmse", "rmse = 1", "rmse <= x", "a equivalent to b", "a better than b within 1", "worst(x).a <= 1"]
        {
            check(wrong, None);
        }
    }
}
