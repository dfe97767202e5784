//! How strongly two conditions on traces go together.

use axum::extract::State;
use rest::Fields;
use serde::Serialize;

use crate::{
    Result, Tracking,
    experiment::ExperimentId,
    http::{double, json::Json},
    trace::Cooccurrence,
};

/// What is added to each count, so that few traces give no extreme answer (Jeffreys' prior).
const SMOOTHING: f64 = 0.5;

#[derive(Serialize)]
pub(super) struct Correlation {
    #[serde(serialize_with = "double")]
    npmi: f64,
    #[serde(serialize_with = "double")]
    npmi_smoothed: f64,
    filter1_count: i64,
    filter2_count: i64,
    joint_count: i64,
    total_count: i64,
}

/// `POST traces/calculate-filter-correlation`.
pub(super) async fn calculate(State(tracking): State<Tracking>, mut fields: Fields) -> Result<Json<Correlation>> {
    let ids = fields.texts("experiment_ids")?;
    if ids.is_empty() {
        return Err(fields.missing("experiment_ids"));
    }
    let ids: Vec<ExperimentId> = ids.iter().map(|id| ExperimentId::parse(id)).collect::<Result<_>>()?;
    let filters = [fields.required_text("filter_string1")?, fields.required_text("filter_string2")?];
    let base = fields.text("base_filter")?.filter(|it| !it.is_empty());
    let counts = tracking.store().count_traces_together(&ids, &filters, base.as_deref()).await?;
    Ok(Json(Correlation {
        npmi: npmi(&counts),
        npmi_smoothed: smoothed(&counts),
        filter1_count: counts.first,
        filter2_count: counts.second,
        joint_count: counts.both,
        total_count: counts.all,
    }))
}

/// The normalised pointwise mutual information: 1 for always together, 0 for independent, -1 for never together. NaN
/// where one of them never happens.
fn npmi(counts: &Cooccurrence) -> f64 {
    if counts.both == 0 && is_defined(counts) { -1.0 } else { of_table(counts, 0.0) }
}

fn smoothed(counts: &Cooccurrence) -> f64 {
    of_table(counts, SMOOTHING)
}

fn is_defined(counts: &Cooccurrence) -> bool {
    counts.first > 0 && counts.second > 0 && counts.all > 0
}

#[expect(clippy::cast_precision_loss, reason = "no database has 2^53 traces")]
fn of_table(counts: &Cooccurrence, smoothing: f64) -> f64 {
    let only_first = counts.first - counts.both;
    let only_second = counts.second - counts.both;
    let neither = counts.all - counts.first - counts.second + counts.both;
    if !is_defined(counts) || [only_first, only_second, neither].iter().any(|it| *it < 0) {
        return f64::NAN;
    }
    // Always together and nothing else: the formula would divide by zero.
    if only_first == 0 && only_second == 0 && neither == 0 {
        return 1.0;
    }
    let [both, only_first, only_second, neither] =
        [counts.both, only_first, only_second, neither].map(|it| it as f64 + smoothing);
    let all = both + only_first + only_second + neither;
    let mutual = (both * all / ((both + only_first) * (both + only_second))).ln();
    (mutual / (all / both).ln()).clamp(-1.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn together_apart_and_independent() {
        let check = |[both, first, second, all]: [i64; 4], expect: f64| {
            let found = npmi(&Cooccurrence { both, first, second, all });
            assert!((found - expect).abs() < 1e-12 || (found.is_nan() && expect.is_nan()), "{found}, not {expect}");
        };
        check([10, 10, 10, 10], 1.0);
        check([10, 10, 10, 20], 1.0);
        check([0, 10, 10, 20], -1.0);
        check([5, 10, 10, 20], 0.0);
        check([0, 0, 10, 20], f64::NAN);
        check([0, 0, 0, 0], f64::NAN);
        let together = smoothed(&Cooccurrence { both: 10, first: 10, second: 10, all: 20 });
        assert!(0.8 < together && together < 1.0, "{together}");
    }
}
