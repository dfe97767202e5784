//! Loads what belongs to many runs with a fixed number of statements, which see the same moment.

use std::collections::HashMap;

use db::Reader;

use crate::{
    Result,
    dataset::{Dataset, DatasetInput},
    experiment::Tag,
    metric::Metric,
    run::{ModelInput, ModelOutput, Param, Run, RunData, RunInfo, RunInputs, RunOutputs},
    store::in_list,
};

/// Ids in one `IN` list, below every database's limit on bound values.
pub(in crate::store) const IDS_PER_STATEMENT: usize = 16_384;

type MetricRow = (String, String, f64, Option<i64>, i64, bool);
type TextRow = (String, String, Option<String>);
type ModelRow = (String, String, String, i64);

/// A dataset as one run read it.
struct DatasetRow {
    run_uuid: String,
    input_uuid: String,
    name: String,
    digest: String,
    dataset_source_type: String,
    dataset_source: String,
    dataset_schema: Option<String>,
    dataset_profile: Option<String>,
}

db::record!(DatasetRow {
    run_uuid,
    input_uuid,
    name,
    digest,
    dataset_source_type,
    dataset_source,
    dataset_schema,
    dataset_profile,
});

/// Adds to each run what it logged, read and made.
pub(in crate::store) fn load(reader: &Reader<'_>, infos: Vec<RunInfo>) -> Result<Vec<Run>> {
    let mut runs: Vec<Run> = infos.into_iter().map(bare).collect();
    for chunk in runs.chunks_mut(IDS_PER_STATEMENT) {
        load_chunk(reader, chunk)?;
    }
    Ok(runs)
}

fn load_chunk(reader: &Reader<'_>, runs: &mut [Run]) -> Result<()> {
    let places: HashMap<String, usize> =
        runs.iter().enumerate().map(|(place, run)| (run.info.run_id.clone(), place)).collect();
    let (marks, args) = in_list(runs.iter().map(|run| run.info.run_id.as_str()));
    let sql = |columns: &str, table: &str| format!("SELECT {columns} FROM {table} WHERE run_uuid IN ({marks})");
    reader.for_each(
        &sql("run_uuid, \"key\", value, timestamp, step, is_nan", "latest_metrics"),
        &args,
        |(run, key, value, timestamp, step, is_nan): MetricRow| {
            if let Some(place) = places.get(&run) {
                let metric = Metric::from_columns(key, value, timestamp.unwrap_or_default(), step, is_nan);
                runs[*place].data.metrics.push(metric);
            }
        },
    )?;
    reader.for_each(&sql("run_uuid, \"key\", value", "params"), &args, |(run, key, value): TextRow| {
        if let Some(place) = places.get(&run) {
            runs[*place].data.params.push(Param { key, value: value.unwrap_or_default() });
        }
    })?;
    reader.for_each(&sql("run_uuid, \"key\", value", "tags"), &args, |(run, key, value): TextRow| {
        if let Some(place) = places.get(&run) {
            runs[*place].data.tags.push(Tag { key, value: value.unwrap_or_default() });
        }
    })?;
    let datasets: Vec<DatasetRow> = reader.fetch_all(
        &format!(
            "SELECT inputs.destination_id AS run_uuid, inputs.input_uuid, datasets.name, datasets.digest, \
             datasets.dataset_source_type, datasets.dataset_source, datasets.dataset_schema, \
             datasets.dataset_profile FROM inputs JOIN datasets ON datasets.dataset_uuid = inputs.source_id \
             WHERE inputs.source_type = 'DATASET' AND inputs.destination_type = 'RUN' \
             AND inputs.destination_id IN ({marks})"
        ),
        &args,
    )?;
    // Most runs read no dataset, and then there is nothing to look for.
    if !datasets.is_empty() {
        let dataset_tags = reader.fetch_all(
            &format!(
                "SELECT inputs.input_uuid, input_tags.name, input_tags.value FROM inputs \
                 JOIN input_tags ON input_tags.input_uuid = inputs.input_uuid \
                 WHERE inputs.source_type = 'DATASET' AND inputs.destination_type = 'RUN' \
                 AND inputs.destination_id IN ({marks})"
            ),
            &args,
        )?;
        add_datasets(runs, &places, datasets, dataset_tags);
    }
    let models = reader.fetch_all(
        &format!(
            "SELECT source_id, source_type, destination_id, step FROM inputs \
             WHERE source_type IN ('RUN_INPUT', 'RUN_OUTPUT') AND source_id IN ({marks}) \
             AND destination_type IN ('MODEL_INPUT', 'MODEL_OUTPUT')"
        ),
        &args,
    )?;
    add_models(runs, &places, models);
    Ok(())
}

fn bare(info: RunInfo) -> Run {
    Run { info, data: RunData::default(), inputs: RunInputs::default(), outputs: Some(RunOutputs::default()) }
}

fn add_datasets(
    runs: &mut [Run],
    places: &HashMap<String, usize>,
    datasets: Vec<DatasetRow>,
    dataset_tags: Vec<TextRow>,
) {
    let mut tags_of: HashMap<String, Vec<Tag>> = HashMap::new();
    for (input, key, value) in dataset_tags {
        tags_of.entry(input).or_default().push(Tag { key, value: value.unwrap_or_default() });
    }
    for row in datasets {
        let Some(place) = places.get(&row.run_uuid) else { continue };
        runs[*place].inputs.dataset_inputs.push(DatasetInput {
            tags: tags_of.remove(&row.input_uuid).unwrap_or_default(),
            dataset: Dataset {
                name: row.name,
                digest: row.digest,
                source_type: row.dataset_source_type,
                source: row.dataset_source,
                schema: row.dataset_schema.filter(|schema| !schema.is_empty()),
                profile: row.dataset_profile.filter(|profile| !profile.is_empty()),
            },
        });
    }
}

fn add_models(runs: &mut [Run], places: &HashMap<String, usize>, models: Vec<ModelRow>) {
    for (run, source_type, model_id, step) in models {
        let Some(place) = places.get(&run) else { continue };
        let run = &mut runs[*place];
        if source_type == "RUN_INPUT" {
            run.inputs.model_inputs.push(ModelInput { model_id });
        } else {
            run.outputs.get_or_insert_default().model_outputs.push(ModelOutput { model_id, step });
        }
    }
}
