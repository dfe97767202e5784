//! What runs are searched and sorted by.

use rest::python::repr_list;

use crate::{
    Error, Result,
    search::{compile::invalid_key, parser::split_identifier},
};

const ENTITIES: &[&str] = &["metric", "parameter", "tag", "attribute", "dataset"];
const ATTRIBUTE_KEYS: &[&str] = &[
    "artifact_uri",
    "end_time",
    "run_id",
    "run_name",
    "start_time",
    "status",
    "user_id",
    "created",
    "Created",
    "run name",
    "Run name",
    "Run Name",
];
const ORDER_KEYS: &[&str] =
    &["artifact_uri", "end_time", "run_id", "run_name", "start_time", "status", "user_id", "created", "Created"];
const DATASET_KEYS: &[&str] = &["name", "digest", "context"];

/// What a run is searched or sorted by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    Metric(String),
    Param(String),
    Tag(String),
    Attribute(Attribute),
    Dataset(&'static str),
}

/// What every run has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attribute {
    RunId,
    RunName,
    Status,
    ArtifactUri,
    UserId,
    StartTime,
    EndTime,
}

impl Subject {
    /// Reads `entity.key`, or the key of an attribute alone, in a filter.
    pub(super) fn parse(identifier: &str) -> Result<Self> {
        Self::among(ATTRIBUTE_KEYS, identifier)
    }

    /// The same in an order clause.
    pub(super) fn parse_in_order(identifier: &str) -> Result<Self> {
        Self::among(ORDER_KEYS, identifier)
    }

    fn among(attribute_keys: &[&str], identifier: &str) -> Result<Self> {
        let (entity, key) = split_identifier(identifier);
        match entity {
            None | Some("attribute" | "attributes" | "attr" | "run") => (Attribute::named(key))
                .filter(|_| attribute_keys.contains(&key))
                .map(Self::Attribute)
                .ok_or_else(|| invalid_key("attribute", key, attribute_keys)),
            Some("metric" | "metrics") => Ok(Self::Metric(key.to_owned())),
            Some("parameter" | "parameters" | "param" | "params") => Ok(Self::Param(key.to_owned())),
            Some("tag" | "tags") => Ok(Self::Tag(key.to_owned())),
            Some("dataset" | "datasets") => (DATASET_KEYS.iter().find(|known| **known == key))
                .map(|field| Self::Dataset(field))
                .ok_or_else(|| invalid_key("dataset", key, DATASET_KEYS)),
            Some(other) => Err(Error::invalid(format!(
                "Invalid entity type '{other}'. Valid values are {}",
                repr_list(ENTITIES.iter().copied())
            ))),
        }
    }

    /// The entity as messages name it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Metric(_) => "metric",
            Self::Param(_) => "parameter",
            Self::Tag(_) => "tag",
            Self::Attribute(_) => "attribute",
            Self::Dataset(_) => "dataset",
        }
    }
}

impl Attribute {
    fn named(key: &str) -> Option<Self> {
        Some(match key {
            "run_id" => Self::RunId,
            "run_name" | "run name" | "Run name" | "Run Name" => Self::RunName,
            "status" => Self::Status,
            "artifact_uri" => Self::ArtifactUri,
            "user_id" => Self::UserId,
            "start_time" | "created" | "Created" => Self::StartTime,
            "end_time" => Self::EndTime,
            _ => return None,
        })
    }

    pub(super) fn column(self) -> &'static str {
        match self {
            Self::RunId => "runs.run_uuid",
            Self::RunName => "runs.name",
            Self::Status => "runs.status",
            Self::ArtifactUri => "runs.artifact_uri",
            Self::UserId => "runs.user_id",
            Self::StartTime => "runs.start_time",
            Self::EndTime => "runs.end_time",
        }
    }
}
