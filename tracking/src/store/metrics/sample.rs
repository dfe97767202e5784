//! Samples of long histories, which charts ask for.

use std::collections::HashMap;

use db::{Dialect, Reader, Value};

use crate::{
    Result,
    metric::{Metric, MetricSample, RunMetric},
    store::{Store, in_list},
};

type Columns = (f64, i64, i64, bool);
type RunColumns = (String, f64, i64, i64, bool);

impl Store {
    /// Evenly spaced values of one metric in several runs: of each run the first, the last and some between.
    ///
    /// The answer follows the order in which the request names the runs.
    pub async fn sample_metric(&self, sample: &MetricSample) -> Result<Vec<RunMetric>> {
        let mut sample = sample.clone();
        let mut seen = HashMap::new();
        sample.run_ids.retain(|run_id| seen.insert(run_id.clone(), seen.len()).is_none());
        if self.db.dialect() != Dialect::Sqlite {
            return self.sample_on_server(&sample).await;
        }
        self.db
            .read(move |reader| {
                let mut metrics = Vec::new();
                for run_id in &sample.run_ids {
                    sample_run(reader, &sample, run_id, &mut metrics)?;
                }
                Ok(metrics)
            })
            .await
    }

    /// The sample of all runs in one statement: a server is far away, and must not send the values that are not chosen.
    async fn sample_on_server(&self, sample: &MetricSample) -> Result<Vec<RunMetric>> {
        let (sql, args) = server_statement(sample, self.db.dialect());
        let rows: Vec<RunColumns> = self.db.fetch_all(sql, args).await?;
        let places: HashMap<&str, usize> =
            sample.run_ids.iter().enumerate().map(|(place, run_id)| (run_id.as_str(), place)).collect();
        let mut metrics: Vec<RunMetric> = rows
            .into_iter()
            .map(|(run_id, value, timestamp, step, is_nan)| RunMetric {
                metric: Metric::from_columns(sample.metric_key.clone(), value, timestamp, step, is_nan),
                run_id,
            })
            .collect();
        // The sort keeps the order of the values of one run.
        metrics.sort_by_key(|metric| places.get(metric.run_id.as_str()).copied());
        Ok(metrics)
    }
}

/// The statement that takes the places that [`places`] would.
fn server_statement(sample: &MetricSample, dialect: Dialect) -> (String, Vec<Value>) {
    let (marks, mut args) = in_list(&sample.run_ids);
    args.push(sample.metric_key.as_str().into());
    let mut steps = "";
    if let Some((first, last)) = sample.steps {
        steps = " AND step >= ? AND step <= ?";
        args.extend([first.into(), last.into()]);
    }
    let size = sample.max_results.max(1);
    let division = if dialect == Dialect::MySql { "DIV" } else { "/" };
    let (length, longer) = (format!("(total {division} {size})"), format!("MOD(total, {size})"));
    let sql = format!(
        "SELECT run_uuid, value, timestamp, step, is_nan FROM (SELECT run_uuid, value, timestamp, step, is_nan, \
         ROW_NUMBER() OVER (PARTITION BY run_uuid ORDER BY step, timestamp, value, is_nan) - 1 AS place, \
         COUNT(*) OVER (PARTITION BY run_uuid) AS total FROM metrics \
         WHERE run_uuid IN ({marks}) AND \"key\" = ?{steps}) AS placed \
         WHERE place = total - 1 OR (place <> total - {length} AND \
         CASE WHEN place < {longer} * ({length} + 1) THEN MOD(place, {length} + 1) = 0 \
         ELSE MOD(place - {longer}, GREATEST({length}, 1)) = 0 END) \
         ORDER BY run_uuid, step, timestamp, value, is_nan"
    );
    (sql, args)
}

/// Adds the sample of one run.
///
/// The steps alone come out of an index in their order, so that only the chosen values are read; values of the same step
/// are put in order among themselves.
fn sample_run(reader: &Reader<'_>, sample: &MetricSample, run_id: &str, metrics: &mut Vec<RunMetric>) -> Result<()> {
    let mut args: Vec<Value> = vec![run_id.into(), sample.metric_key.as_str().into()];
    let mut sql = "SELECT step FROM metrics WHERE run_uuid = ? AND \"key\" = ?".to_owned();
    if let Some((first, last)) = sample.steps {
        sql.push_str(" AND step >= ? AND step <= ?");
        args.extend([first.into(), last.into()]);
    }
    sql.push_str(" ORDER BY step");
    let mut steps: Vec<i64> = Vec::new();
    reader.for_each(&sql, &args, |(step,): (i64,)| steps.push(step))?;
    args.truncate(2);
    let mut chosen = places(steps.len(), sample.max_results).into_iter().peekable();
    while let Some(place) = chosen.next() {
        let step = steps[place];
        let first = steps.partition_point(|it| *it < step);
        let mut wanted = vec![place - first];
        while let Some(place) = chosen.next_if(|it| steps[*it] == step) {
            wanted.push(place - first);
        }
        args.extend([step.into(), step.into()]);
        // A range and not a test for one step, for the reason of `EVERY_STEP`.
        let values: Vec<Columns> = reader.fetch_all(
            "SELECT value, timestamp, step, is_nan FROM metrics WHERE run_uuid = ? AND \"key\" = ? AND step >= ? \
             AND step <= ? ORDER BY timestamp, value, is_nan",
            &args,
        )?;
        args.truncate(2);
        metrics.extend(wanted.into_iter().filter_map(|place| values.get(place)).map(
            |(value, timestamp, step, is_nan)| RunMetric {
                metric: Metric::from_columns(sample.metric_key.clone(), *value, *timestamp, *step, *is_nan),
                run_id: run_id.to_owned(),
            },
        ));
    }
    Ok(())
}

/// Which of `count` values a sample of `size` takes: of `size` buckets, the first ones one longer than the others when
/// they cannot all have one length, each bucket's first; of the last bucket the last.
fn places(count: usize, size: usize) -> Vec<usize> {
    let Some(last) = count.checked_sub(1) else { return Vec::new() };
    let size = size.max(1);
    let (length, longer) = (count / size, count % size);
    let firsts = (0..size - 1).map(|bucket| bucket * length + bucket.min(longer));
    firsts.take_while(|place| *place < last).chain([last]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_takes_the_first_of_each_bucket_and_the_last_of_all() {
        let check = |count, size, expect: &[usize]| assert_eq!(places(count, size), expect, "{size} of {count}");
        check(0, 3, &[]);
        check(1, 3, &[0]);
        check(5, 1, &[4]);
        check(3, 3, &[0, 1, 2]);
        check(4, 9, &[0, 1, 2, 3]);
        // Buckets 0 1 2 3, 4 5 6, 7 8 9.
        check(10, 3, &[0, 4, 9]);
        check(11, 4, &[0, 3, 6, 10]);
    }
}
