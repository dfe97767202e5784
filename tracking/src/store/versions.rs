//! Versions of registered models, read for the runs that made them.

use std::collections::HashMap;

use db::Value;

use super::{Store, in_list};
use crate::{
    Result,
    experiment::Tag,
    version::{ModelVersion, VersionFilter},
};

/// Versions at most in one answer; MLflow's default page.
const VERSIONS_MAX: i64 = 10_000;

/// The tag of prompts, which share the tables of model versions and are none.
const PROMPT_TAG: &str = "mlflow.prompt.is_prompt";

struct Row {
    name: String,
    version: i64,
    creation_time: Option<i64>,
    last_updated_time: Option<i64>,
    description: Option<String>,
    user_id: Option<String>,
    current_stage: Option<String>,
    source: Option<String>,
    run_id: Option<String>,
    status: Option<String>,
    status_message: Option<String>,
    run_link: Option<String>,
}

db::record!(Row {
    name,
    version,
    creation_time,
    last_updated_time,
    description,
    user_id,
    current_stage,
    source,
    run_id,
    status,
    status_message,
    run_link,
});

impl Store {
    /// The versions that `filter` leads to, the last changed first: three statements, however many they are.
    pub async fn model_versions(&self, filter: &VersionFilter) -> Result<Vec<ModelVersion>> {
        let (condition, mut args): (String, Vec<Value>) = match filter {
            VersionFilter::All => ("1 = 1".to_owned(), Vec::new()),
            VersionFilter::Model(name) => ("v.name = ?".to_owned(), vec![name.as_str().into()]),
            VersionFilter::Runs(ids) => {
                let (marks, args) = in_list(ids.iter().map(String::as_str));
                (format!("v.run_id IN ({marks})"), args)
            }
        };
        let which = format!(
            "FROM model_versions v WHERE v.workspace = 'default' AND v.current_stage <> 'Deleted_Internal' AND \
             {condition} AND NOT EXISTS (SELECT 1 FROM model_version_tags t WHERE t.workspace = v.workspace AND \
             t.name = v.name AND t.version = v.version AND t.\"key\" = '{PROMPT_TAG}')"
        );
        let versions = format!(
            "SELECT v.name, v.version, v.creation_time, v.last_updated_time, v.description, v.user_id, \
             v.current_stage, v.source, v.run_id, v.status, v.status_message, v.run_link {which} \
             ORDER BY v.last_updated_time DESC, v.name ASC, v.version DESC LIMIT ?"
        );
        args.push(VERSIONS_MAX.into());
        let rows: Vec<Row> = self.db.fetch_all(versions, args.clone()).await?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        args.pop();
        let tags = format!(
            "SELECT g.name, g.version, g.\"key\", g.value FROM model_version_tags g WHERE g.workspace = 'default' AND \
             EXISTS (SELECT 1 {which} AND v.name = g.name AND v.version = g.version) ORDER BY g.\"key\""
        );
        let aliases = format!(
            "SELECT a.name, a.version, a.alias FROM registered_model_aliases a WHERE a.workspace = 'default' AND \
             EXISTS (SELECT 1 {which} AND v.name = a.name AND v.version = a.version) ORDER BY a.alias"
        );
        let tags: Vec<(String, i64, String, Option<String>)> = self.db.fetch_all(tags, args.clone()).await?;
        let aliases: Vec<(String, i64, String)> = self.db.fetch_all(aliases, args).await?;
        let mut tags_of: HashMap<(String, i64), Vec<Tag>> = HashMap::new();
        for (name, version, key, value) in tags {
            tags_of.entry((name, version)).or_default().push(Tag { key, value: value.unwrap_or_default() });
        }
        let mut aliases_of: HashMap<(String, i64), Vec<String>> = HashMap::new();
        for (name, version, alias) in aliases {
            aliases_of.entry((name, version)).or_default().push(alias);
        }
        Ok(rows
            .into_iter()
            .map(|row| {
                let key = (row.name, row.version);
                let (tags, aliases) = (tags_of.remove(&key), aliases_of.remove(&key));
                ModelVersion {
                    name: key.0,
                    version: key.1,
                    creation_timestamp: row.creation_time,
                    last_updated_timestamp: row.last_updated_time,
                    user_id: row.user_id,
                    current_stage: row.current_stage,
                    description: row.description,
                    source: row.source,
                    run_id: row.run_id,
                    status: row.status,
                    status_message: row.status_message,
                    run_link: row.run_link,
                    tags: tags.unwrap_or_default(),
                    aliases: aliases.unwrap_or_default(),
                }
            })
            .collect())
    }
}
