//! The calls that are compared, with what issue and documentation ask of Tidegate: the rows of the tables.

use std::rc::Rc;

use serde_json::json;

use super::data::{Data, batch, metric};
use crate::client::Call;

/// Runs on a page of a search.
const PAGE: usize = 100;

/// One call that every server is asked.
pub(super) struct Row {
    /// As tables call it.
    pub(super) name: &'static str,
    /// Microseconds of processor time that Tidegate may take on SQLite.
    pub(super) at_most_us: f64,
    /// The n-th call.
    pub(super) call: Rc<dyn Fn(u64) -> Call>,
    /// Where the answer has a list, and how long it must be: a fast wrong answer is none.
    pub(super) expect: Option<(&'static str, usize)>,
}

/// All rows; the names of `searches` are among them.
pub(super) fn all(data: &Data) -> Vec<Row> {
    let mut rows = writes(data);
    let known = data.known.clone();
    let get = move |_| Call::get(format!("/api/2.0/mlflow/runs/get?run_id={known}"));
    rows.push(row("get run (20 metrics, 10 params)", 150.0, get));
    rows.extend(searches());
    let long = data.long.clone();
    let history = move |_| Call::get(format!("/api/2.0/mlflow/metrics/get-history?run_id={long}&metric_key=loss"));
    rows.push(Row {
        expect: Some(("metrics", super::data::POINTS)),
        ..row("100,000 points of a metric", 250e3, history)
    });
    let long = data.long.clone();
    let sample = move |_| {
        let query = format!("run_ids={long}&metric_key=loss&max_results=320");
        Call::get(format!("/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval?{query}"))
    };
    rows.push(row("bulk-interval, 320 of them", 20e3, sample));
    rows
}

/// Pages of a search in the default experiment. Each call asks for another empty experiment too, so that no answer can
/// come from a server's memory of the call before; only the last row asks the same again.
pub(super) fn searches() -> Vec<Row> {
    let filter = "metrics.m0 < 0.5 and params.p0 = 'v3'";
    let order = json!(["metrics.m1 DESC"]);
    // MLflow's token for the page that starts at row 9,000: {"offset": 9000}.
    let deep = "eyJvZmZzZXQiOiA5MDAwfQ==";
    let by_metric = json!({"order_by": order});
    vec![
        page("search: newest 100", f64::NAN, json!({}), another),
        page("search: filter, ordered by a metric", 20e3, json!({"filter": filter, "order_by": order}), another),
        page("search: ordered by a metric", 15e3, by_metric.clone(), another),
        page("search: rows 9,000 to 9,100 of it", 20e3, json!({"order_by": order, "page_token": deep}), another),
        page("search: ordered, the same again", f64::NAN, by_metric, |_| UNKNOWN),
    ]
}

/// Experiments from here on do not exist.
const UNKNOWN: u64 = 1_000_000;

fn another(number: u64) -> u64 {
    UNKNOWN + number
}

/// A page of a search in the default experiment and the n-th one beside it.
fn page(name: &'static str, at_most_us: f64, body: serde_json::Value, beside: fn(u64) -> u64) -> Row {
    let call = move |number| {
        let mut body = body.clone();
        body["experiment_ids"] = json!(["0", beside(number).to_string()]);
        body["max_results"] = json!(PAGE);
        Call::post("/api/2.0/mlflow/runs/search", body.to_string())
    };
    Row { expect: Some(("runs", PAGE)), ..row(name, at_most_us, call) }
}

fn writes(data: &Data) -> Vec<Row> {
    let aside = data.aside.clone();
    let create = move |number| {
        let run = json!({"experiment_id": aside, "run_name": "bench", "start_time": 1_760_000_000_000 + number});
        Call::post("/api/2.0/mlflow/runs/create", run.to_string())
    };
    let run_id = data.targets[0].clone();
    let log_metric = move |number| {
        let mut metric = metric("loss", 0.5, number);
        metric["run_id"] = json!(run_id);
        Call::post("/api/2.0/mlflow/runs/log-metric", metric.to_string())
    };
    let (hundred, thousand) = (data.targets[1].clone(), data.targets[2].clone());
    vec![
        row("create run", 180.0, create),
        row("log-metric", 150.0, log_metric),
        row("log-batch, 100 metrics", 900.0, move |number| batch(&hundred, number, 100)),
        row("log-batch, 1,000 metrics", 6000.0, move |number| batch(&thousand, number, 1000)),
    ]
}

fn row(name: &'static str, at_most_us: f64, call: impl Fn(u64) -> Call + 'static) -> Row {
    Row { name, at_most_us, call: Rc::new(call), expect: None }
}
