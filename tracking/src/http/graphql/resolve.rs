//! Answers root fields through the handlers of the REST API, so that both say the same.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use rest::Fields;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{plan::Selected, schema::Operation};
use crate::{
    Error, Result, Tracking,
    experiment::{ExperimentSearch, ViewType},
    http::{artifacts, experiments, json::Json, metrics, runs},
    version::VersionFilter,
};

/// What `operation` gives for `input`, in the names and forms of the REST API.
pub(super) async fn resolve(
    tracking: &Tracking,
    operation: Operation,
    input: Option<Map<String, Value>>,
    selected: &Selected,
) -> Result<Value> {
    let input = input.ok_or_else(|| {
        Error::invalid("The argument of this field is missing; pass it as a variable or in the query.")
    })?;
    let fields = Fields::of(input);
    let state = State(tracking.clone());
    let mut data = match operation {
        Operation::GetExperiment => data(experiments::read(state, fields).await?)?,
        Operation::GetMetricHistoryBulkInterval => data(metrics::history_sample(state, fields).await?)?,
        Operation::GetRun => data(runs::read(state, fields).await?)?,
        Operation::ListArtifacts => data(artifacts::list(state, fields).await?)?,
        Operation::SearchRuns => data(runs::search(state, fields).await?)?,
        Operation::SearchDatasets => data(experiments::search_datasets(state, fields).await?)?,
        Operation::SearchModelVersions => search_model_versions(tracking, fields).await?,
        Operation::Echo => {
            let mut fields = fields;
            json!({"output": fields.text("input_string")?.unwrap_or_default()})
        }
    };
    if matches!(operation, Operation::GetRun | Operation::SearchRuns) {
        join(tracking, &mut data, selected).await?;
    }
    Ok(data)
}

fn data<T: Serialize>(Json(answer): Json<T>) -> Result<Value> {
    serde_json::to_value(answer).map_err(|error| Error::internal("writing an answer as JSON", error))
}

async fn search_model_versions(tracking: &Tracking, mut fields: Fields) -> Result<Value> {
    let filter = VersionFilter::parse(&fields.text("filter")?.unwrap_or_default())?;
    let versions = tracking.store().model_versions(&filter).await?;
    Ok(json!({"model_versions": versions}))
}

/// Puts what runs refer to into them, where the query asks for it: one statement for all runs.
async fn join(tracking: &Tracking, data: &mut Value, selected: &Selected) -> Result<()> {
    let asks = |name: &str| {
        let runs = selected.steps.iter().filter_map(|it| it.selected.as_ref());
        runs.flat_map(|it| &it.steps).any(|it| it.field.is_some_and(|field| field.name == name))
    };
    let (asks_experiment, asks_versions) = (asks("experiment"), asks("modelVersions"));
    let mut runs: Vec<&mut Value> = match data {
        Value::Object(data) => data
            .values_mut()
            .flat_map(|it| match it {
                Value::Array(runs) => runs.iter_mut().collect(),
                run @ Value::Object(_) => vec![run],
                _ => Vec::new(),
            })
            .collect(),
        _ => Vec::new(),
    };
    if asks_experiment {
        let ids: BTreeSet<String> = runs.iter().filter_map(|it| info(it, "experiment_id")).collect();
        let experiments = experiments_by_id(tracking, ids).await?;
        for run in &mut runs {
            if let Some(found) = info(run, "experiment_id").and_then(|id| experiments.get(&id)) {
                run["experiment"] = found.clone();
            }
        }
    }
    if asks_versions {
        let ids: Vec<String> = runs.iter().filter_map(|it| info(it, "run_id")).collect();
        let versions = tracking.store().model_versions(&VersionFilter::Runs(ids)).await?;
        for run in &mut runs {
            let run_id = info(run, "run_id");
            let of_run = versions.iter().filter(|it| it.run_id == run_id);
            run["model_versions"] = of_run.map(|it| json!(it)).collect();
        }
    }
    Ok(())
}

/// A text out of a run's info.
fn info(run: &Value, name: &str) -> Option<String> {
    run["info"][name].as_str().map(str::to_owned)
}

async fn experiments_by_id(tracking: &Tracking, ids: BTreeSet<String>) -> Result<BTreeMap<String, Value>> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let list: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
    let search = ExperimentSearch {
        view: ViewType::All,
        filter: format!("experiment_id IN ({})", list.join(", ")),
        order_by: Vec::new(),
        max_results: i64::try_from(ids.len()).unwrap_or(i64::MAX),
        page_token: None,
    };
    let page = tracking.store().search_experiments(&search).await?;
    Ok(page.items.into_iter().map(|it| (it.experiment_id.to_string(), json!(it))).collect())
}
