//! `runs/*`: create, read, search and change runs, and what they log.

use axum::{
    Router,
    extract::State,
    routing::{get, post},
};
use rest::Fields;
use rest::python::repr_set;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    batch::LogBatch,
    json::{Empty, Json, param, tags},
};
use crate::{
    Error, Result, Tracking,
    dataset::{Dataset, DatasetInput},
    experiment::{ExperimentId, Tag, ViewType},
    metric::Metric,
    run::{ModelInput, ModelOutput, NewRun, Param, Run, RunInfo, RunSearch, RunStatus, RunUpdate},
    validate::{PAGE_MAX, PARAM_VALUE_CHARS_MAX, TAG_VALUE_CHARS_MAX, check_length},
};

/// The page size of a search that names none.
const PAGE_DEFAULT: i64 = 1000;

pub(super) fn routes() -> Router<Tracking> {
    Router::new()
        .route("/create", post(create))
        .route("/get", get(read))
        .route("/search", post(search))
        .route("/update", post(update))
        .route("/delete", post(delete))
        .route("/restore", post(restore))
        .route("/log-metric", post(log_metric))
        .route("/log-parameter", post(log_param))
        .route("/log-batch", post(log_batch))
        .route("/set-tag", post(set_tag))
        .route("/delete-tag", post(delete_tag))
        .route("/log-inputs", post(log_inputs))
        .route("/outputs", post(log_outputs))
        .route("/log-model", post(log_model))
}

#[derive(Serialize)]
pub(super) struct One {
    run: Run,
}

#[derive(Serialize)]
struct Updated {
    run_info: RunInfo,
}

#[derive(Serialize)]
pub(super) struct Found {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    runs: Vec<Run>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

async fn create(State(tracking): State<Tracking>, mut fields: Fields) -> Result<Json<One>> {
    let new = NewRun {
        experiment_id: ExperimentId::parse(&fields.required_text("experiment_id")?)?,
        user_id: fields.text("user_id")?.unwrap_or_default(),
        start_time: fields.integer("start_time")?.unwrap_or_default(),
        run_name: fields.text("run_name")?,
        tags: tags(&mut fields)?,
    };
    check_lengths(&tracking, &[], &new.tags, "")?;
    let run = tracking.store().create_run(new).await?;
    Ok(Json(One { run }))
}

pub(super) async fn read(State(tracking): State<Tracking>, mut fields: Fields) -> Result<Json<One>> {
    let run = tracking.store().run(&fields.run_id()?).await?;
    Ok(Json(One { run }))
}

pub(super) async fn search(State(tracking): State<Tracking>, mut fields: Fields) -> Result<Json<Found>> {
    let ids = fields.texts("experiment_ids")?;
    let max_results = fields.integer("max_results")?.unwrap_or(PAGE_DEFAULT);
    if max_results > PAGE_MAX {
        return Err(fields.wrong_type("max_results", &max_results.into()));
    }
    let search = RunSearch {
        experiment_ids: ids.iter().map(|id| ExperimentId::parse(id)).collect::<Result<_>>()?,
        filter: fields.text("filter")?.unwrap_or_default(),
        view: fields.choice("run_view_type", ViewType::CHOICES)?.unwrap_or_default(),
        order_by: fields.texts("order_by")?,
        max_results,
        page_token: fields.text("page_token")?,
    };
    let page = tracking.store().search_runs(&search).await?;
    Ok(Json(Found { runs: page.items, next_page_token: page.next_page_token }))
}

async fn update(State(tracking): State<Tracking>, mut fields: Fields) -> Result<Json<Updated>> {
    let run_id = fields.run_id()?;
    let update = RunUpdate {
        status: fields.choice("status", RunStatus::CHOICES)?,
        end_time: fields.integer("end_time")?,
        run_name: fields.text("run_name")?,
    };
    let run_info = tracking.store().update_run(&run_id, update).await?;
    Ok(Json(Updated { run_info }))
}

async fn delete(State(tracking): State<Tracking>, mut fields: Fields) -> Result<Json<Empty>> {
    tracking.store().delete_run(&fields.run_id()?).await?;
    Ok(Json(Empty {}))
}

async fn restore(State(tracking): State<Tracking>, mut fields: Fields) -> Result<Json<Empty>> {
    tracking.store().restore_run(&fields.run_id()?).await?;
    Ok(Json(Empty {}))
}

async fn log_metric(State(tracking): State<Tracking>, mut fields: Fields) -> Result<Json<Empty>> {
    let run_id = fields.run_id()?;
    tracking.store().log_metric(&run_id, metric(&mut fields)?).await?;
    Ok(Json(Empty {}))
}

async fn log_param(State(tracking): State<Tracking>, mut fields: Fields) -> Result<Json<Empty>> {
    let run_id = fields.run_id()?;
    let param = param(&mut fields)?;
    check_lengths(&tracking, std::slice::from_ref(&param), &[], "")?;
    tracking.store().log_param(&run_id, param).await?;
    Ok(Json(Empty {}))
}

/// `POST runs/log-batch`: metrics, params and tags of one run, all or nothing.
async fn log_batch(State(tracking): State<Tracking>, LogBatch { run_id, batch }: LogBatch) -> Result<Json<Empty>> {
    check_lengths(&tracking, &batch.params, &batch.tags, "tags")?;
    tracking.store().log_batch(&run_id, batch).await?;
    Ok(Json(Empty {}))
}

async fn set_tag(State(tracking): State<Tracking>, mut fields: Fields) -> Result<Json<Empty>> {
    let run_id = fields.run_id()?;
    let tag = Tag { key: fields.required_text("key")?, value: fields.text("value")?.unwrap_or_default() };
    check_lengths(&tracking, &[], std::slice::from_ref(&tag), "")?;
    tracking.store().set_tag(&run_id, tag).await?;
    Ok(Json(Empty {}))
}

async fn delete_tag(State(tracking): State<Tracking>, mut fields: Fields) -> Result<Json<Empty>> {
    let run_id = fields.run_id()?;
    tracking.store().delete_tag(&run_id, fields.required_text("key")?).await?;
    Ok(Json(Empty {}))
}

async fn log_inputs(State(tracking): State<Tracking>, mut fields: Fields) -> Result<Json<Empty>> {
    let run_id = fields.run_id()?;
    let datasets = fields.objects("datasets")?.iter_mut().map(dataset_input).collect::<Result<_>>()?;
    let models = (fields.objects("models")?.iter_mut())
        .map(|model| Ok(ModelInput { model_id: model.required_text("model_id")? }))
        .collect::<Result<_>>()?;
    tracking.store().log_inputs(&run_id, datasets, models).await?;
    Ok(Json(Empty {}))
}

async fn log_outputs(State(tracking): State<Tracking>, mut fields: Fields) -> Result<Json<Empty>> {
    let run_id = fields.run_id()?;
    if !fields.has("models") {
        return Err(fields.missing("models"));
    }
    let models: Vec<ModelOutput> = (fields.objects("models")?.iter_mut())
        .map(|model| {
            Ok(ModelOutput {
                model_id: model.required_text("model_id")?,
                step: model.integer("step")?.unwrap_or_default(),
            })
        })
        .collect::<Result<_>>()?;
    tracking.store().log_outputs(&run_id, models).await?;
    Ok(Json(Empty {}))
}

async fn log_model(State(tracking): State<Tracking>, mut fields: Fields) -> Result<Json<Empty>> {
    let run_id = fields.run_id()?;
    let text = fields.required_text("model_json")?;
    let model: Map<String, Value> = serde_json::from_str(&text)
        .map_err(|_| Error::invalid(format!("Malformed model info. \n {text} \n is not a valid JSON.")))?;
    let missing = ["artifact_path", "flavors", "utc_time_created", "run_id"];
    let missing: Vec<&str> = missing.into_iter().filter(|field| !model.contains_key(*field)).collect();
    if !missing.is_empty() {
        return Err(Error::invalid(format!("Model json is missing mandatory fields: {}", repr_set(missing))));
    }
    tracking.store().record_model(&run_id, model_summary(model)).await?;
    Ok(Json(Empty {}))
}

/// Refuses values that are too long where the server is told not to cut them; `list` is what messages call the tags'
/// list, empty where a tag stands alone.
fn check_lengths(tracking: &Tracking, params: &[Param], tags: &[Tag], list: &str) -> Result<()> {
    if tracking.limits().truncate_long_values {
        return Ok(());
    }
    for param in params {
        check_length("Param value", PARAM_VALUE_CHARS_MAX, &param.value)?;
    }
    for (index, tag) in tags.iter().enumerate() {
        let path = if list.is_empty() { "value".to_owned() } else { format!("{list}[{index}].value") };
        check_length(&path, TAG_VALUE_CHARS_MAX, &tag.value)?;
    }
    Ok(())
}

pub(super) fn metric(fields: &mut Fields) -> Result<Metric> {
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    let (dataset_name, dataset_digest) = (filled(fields.text("dataset_name")?), filled(fields.text("dataset_digest")?));
    if dataset_name.is_some() != dataset_digest.is_some() {
        return Err(Error::invalid("Both dataset_name and dataset_digest must be provided if one is provided"));
    }
    Ok(Metric {
        key: fields.required_text("key")?,
        value: fields.required_number("value")?,
        timestamp: fields.required_integer("timestamp")?,
        step: fields.integer("step")?.unwrap_or_default(),
        model_id: filled(fields.text("model_id")?),
        dataset_name,
        dataset_digest,
    })
}

fn dataset_input(fields: &mut Fields) -> Result<DatasetInput> {
    let mut dataset = fields.required_object("dataset")?;
    Ok(DatasetInput {
        tags: tags(fields)?,
        dataset: Dataset {
            name: dataset.required_text("name")?,
            digest: dataset.required_text("digest")?,
            source_type: dataset.text("source_type")?.unwrap_or_default(),
            source: dataset.text("source")?.unwrap_or_default(),
            schema: dataset.text("schema")?,
            profile: dataset.text("profile")?,
        },
    })
}

/// What a run's tag keeps of a model: not its signature, and no flavor's own configuration.
fn model_summary(mut model: Map<String, Value>) -> Value {
    if let Some(Value::Object(flavors)) = model.get_mut("flavors") {
        for flavor in flavors.values_mut().filter_map(Value::as_object_mut) {
            flavor.remove("config");
        }
    }
    model.retain(|key, _| {
        matches!(key.as_str(), "run_id" | "utc_time_created" | "artifact_path" | "model_uuid" | "flavors")
    });
    Value::Object(model)
}
