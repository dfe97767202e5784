//! `experiments/*`: the folders that runs live in.

mod location;

use axum::{
    Router,
    extract::State,
    routing::{get, post},
};
use rest::Fields;
use serde::Serialize;

use super::json::{Empty, Json, nameless_tags};
use crate::{
    Error, Result, Tracking,
    dataset::DatasetSummary,
    experiment::{Experiment, ExperimentId, ExperimentSearch, NewExperiment, Tag, ViewType},
};

/// Experiments at most in a search for datasets.
const DATASET_EXPERIMENTS_MAX: usize = 20;

pub(super) fn routes() -> Router<Tracking> {
    Router::new()
        .route("/create", post(create))
        .route("/get", get(read))
        .route("/get-by-name", get(read_by_name))
        .route("/search", get(search).post(search))
        .route("/update", post(update))
        .route("/delete", post(delete))
        .route("/restore", post(restore))
        .route("/set-experiment-tag", post(set_tag))
        .route("/delete-experiment-tag", post(delete_tag))
        .route("/search-datasets", post(search_datasets))
}

#[derive(Serialize)]
struct Created {
    experiment_id: ExperimentId,
}

#[derive(Serialize)]
pub(super) struct One {
    experiment: Experiment,
}

#[derive(Serialize)]
struct Found {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    experiments: Vec<Experiment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Datasets {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dataset_summaries: Vec<DatasetSummary>,
}

async fn create(State(tracking): State<Tracking>, mut fields: Fields) -> Result<Json<Created>> {
    let new = NewExperiment {
        name: fields.required_text("name")?,
        artifact_location: fields.text("artifact_location")?,
        tags: nameless_tags(&mut fields)?,
    };
    if let Some(location) = new.artifact_location.as_deref().filter(|it| !it.is_empty()) {
        location::check(&tracking, location)?;
    }
    let experiment_id = tracking.store().create_experiment(new).await?;
    Ok(Json(Created { experiment_id }))
}

pub(super) async fn read(State(tracking): State<Tracking>, mut fields: Fields) -> Result<Json<One>> {
    let experiment = tracking.store().experiment(experiment_id(&mut fields)?).await?;
    Ok(Json(One { experiment }))
}

async fn read_by_name(State(tracking): State<Tracking>, mut fields: Fields) -> Result<Json<One>> {
    let name = fields.required_text("experiment_name")?;
    let found = tracking.store().experiment_by_name(&name).await?;
    let experiment = found.ok_or_else(|| Error::not_found(format!("Could not find experiment with name '{name}'")))?;
    Ok(Json(One { experiment }))
}

async fn search(State(tracking): State<Tracking>, mut fields: Fields) -> Result<Json<Found>> {
    let search = ExperimentSearch {
        view: fields.choice("view_type", ViewType::CHOICES)?.unwrap_or_default(),
        filter: fields.text("filter")?.unwrap_or_default(),
        order_by: fields.texts("order_by")?,
        // Absent is 0 in MLflow's protocol, which is no page size.
        max_results: fields.integer("max_results")?.unwrap_or(0),
        page_token: fields.text("page_token")?,
    };
    let page = tracking.store().search_experiments(&search).await?;
    Ok(Json(Found { experiments: page.items, next_page_token: page.next_page_token }))
}

async fn update(State(tracking): State<Tracking>, mut fields: Fields) -> Result<Json<Empty>> {
    let id = experiment_id(&mut fields)?;
    let name = fields.required_text("new_name")?;
    tracking.store().rename_experiment(id, name).await?;
    Ok(Json(Empty {}))
}

async fn delete(State(tracking): State<Tracking>, mut fields: Fields) -> Result<Json<Empty>> {
    tracking.store().delete_experiment(experiment_id(&mut fields)?).await?;
    Ok(Json(Empty {}))
}

async fn restore(State(tracking): State<Tracking>, mut fields: Fields) -> Result<Json<Empty>> {
    tracking.store().restore_experiment(experiment_id(&mut fields)?).await?;
    Ok(Json(Empty {}))
}

async fn set_tag(State(tracking): State<Tracking>, mut fields: Fields) -> Result<Json<Empty>> {
    let id = experiment_id(&mut fields)?;
    let tag = Tag { key: fields.required_text("key")?, value: fields.text("value")?.unwrap_or_default() };
    tracking.store().set_experiment_tag(id, tag).await?;
    Ok(Json(Empty {}))
}

async fn delete_tag(State(tracking): State<Tracking>, mut fields: Fields) -> Result<Json<Empty>> {
    let id = experiment_id(&mut fields)?;
    tracking.store().delete_experiment_tag(id, fields.required_text("key")?).await?;
    Ok(Json(Empty {}))
}

pub(super) async fn search_datasets(State(tracking): State<Tracking>, mut fields: Fields) -> Result<Json<Datasets>> {
    let texts = fields.texts("experiment_ids")?;
    if texts.is_empty() {
        return Err(Error::invalid("SearchDatasets request must specify at least one experiment_id."));
    }
    if texts.len() > DATASET_EXPERIMENTS_MAX {
        return Err(Error::invalid(format!(
            "SearchDatasets request cannot specify more than {DATASET_EXPERIMENTS_MAX} experiment_ids. Received {} \
             experiment_ids.",
            texts.len()
        )));
    }
    let ids: Vec<ExperimentId> = texts.iter().map(|text| ExperimentId::parse(text)).collect::<Result<_>>()?;
    let dataset_summaries = tracking.store().dataset_summaries(&ids).await?;
    Ok(Json(Datasets { dataset_summaries }))
}

fn experiment_id(fields: &mut Fields) -> Result<ExperimentId> {
    ExperimentId::parse(&fields.required_text("experiment_id")?)
}
