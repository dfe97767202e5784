//! Datasets that runs read.

use serde::Serialize;

use crate::{Error, Result, validate::check_length};

const NAME_CHARS_MAX: usize = 500;
const DIGEST_CHARS_MAX: usize = 36;
const SOURCE_CHARS_MAX: usize = 65_535;
const SCHEMA_CHARS_MAX: usize = 1_048_575;
const PROFILE_CHARS_MAX: usize = 16_777_215;
const TAG_KEY_CHARS_MAX: usize = 255;
const TAG_VALUE_CHARS_MAX: usize = 500;

/// A dataset, known by its name and the digest of its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Dataset {
    /// Its name.
    pub name: String,
    /// A short hash of its content.
    pub digest: String,
    /// What kind of source it came from.
    pub source_type: String,
    /// The source, usually JSON.
    pub source: String,
    /// Its columns, usually JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Its statistics, usually JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
}

/// A dataset as a run read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DatasetInput {
    /// What it was read for, e.g. `mlflow.data.context` = `training`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<crate::experiment::Tag>,
    /// The dataset.
    pub dataset: Dataset,
}

/// A dataset that runs of an experiment read, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DatasetSummary {
    /// The experiment, as text.
    pub experiment_id: String,
    /// The dataset's name.
    pub name: String,
    /// Its digest.
    pub digest: String,
    /// What it was read for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
}

impl DatasetInput {
    /// Checks MLflow's limits.
    pub(crate) fn check(&self) -> Result<()> {
        let dataset = &self.dataset;
        check_length("name", NAME_CHARS_MAX, &dataset.name)?;
        check_length("digest", DIGEST_CHARS_MAX, &dataset.digest)?;
        check_length("source", SOURCE_CHARS_MAX, &dataset.source)?;
        check_length("schema", SCHEMA_CHARS_MAX, dataset.schema.as_deref().unwrap_or_default())?;
        check_length("profile", PROFILE_CHARS_MAX, dataset.profile.as_deref().unwrap_or_default())?;
        for tag in &self.tags {
            if tag.key.is_empty() {
                return Err(Error::invalid("InputTag key cannot be None"));
            }
            check_length("key", TAG_KEY_CHARS_MAX, &tag.key)?;
            check_length("value", TAG_VALUE_CHARS_MAX, &tag.value)?;
        }
        Ok(())
    }
}
