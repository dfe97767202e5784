//! Params of runs: written once, never changed.

use std::collections::HashMap;

use db::{Dialect, OnConflict, Tx};
use rest::python::{repr, repr_list};

use super::{Store, in_list, runs};
use crate::{
    Error, Result,
    run::Param,
    validate::{KEY_CHARS_MAX, PARAM_VALUE_CHARS_MAX, check_length, check_name, truncate},
};

/// A param that a run already has, with another value.
pub(super) struct Conflict {
    key: String,
    old: String,
    new: String,
}

impl Store {
    /// Logs one param; again with the same value is fine, with another is refused.
    pub async fn log_param(&self, run_id: &str, param: Param) -> Result<()> {
        let param = checked(param, "")?;
        let run_id = run_id.to_owned();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    runs::check_active(tx, &run_id).await?;
                    match insert_params(tx, &run_id, vec![param]).await?.pop() {
                        None => Ok(()),
                        Some(Conflict { key, old, new }) => Err(Error::invalid(format!(
                            "Changing param values is not allowed. Param with key='{key}' was already logged with \
                             value='{old}' for run ID='{run_id}'. Attempted logging new value '{new}'."
                        ))),
                    }
                })
            })
            .await
    }
}

/// Checks a param's key and cuts its value; `path` is `params[i].` in a batch.
pub(super) fn checked(param: Param, path: &str) -> Result<Param> {
    check_name(format_args!("{path}key"), &param.key)?;
    check_length("Param key", KEY_CHARS_MAX, &param.key)?;
    Ok(Param { value: truncate(param.value, PARAM_VALUE_CHARS_MAX), ..param })
}

/// Checks that a batch names no param twice.
pub(super) fn check_unique(params: &[Param]) -> Result<()> {
    let mut seen = std::collections::HashSet::with_capacity(params.len());
    let twice: Vec<&str> = params.iter().map(|param| param.key.as_str()).filter(|key| !seen.insert(*key)).collect();
    if twice.is_empty() {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "Duplicate parameter keys have been submitted: {}. Please ensure the request contains only one param value per \
         param key.",
        repr_list(twice)
    )))
}

/// Inserts params with different keys and gives those that the run already has with another value.
pub(super) async fn insert_params(tx: &mut Tx, run_id: &str, params: Vec<Param>) -> Result<Vec<Conflict>> {
    let values = params
        .iter()
        .flat_map(|param| [param.key.as_str().into(), param.value.as_str().into(), run_id.into()])
        .collect();
    let inserted = tx.insert_rows("params", &["key", "value", "run_uuid"], OnConflict::Ignore, values).await?;
    if usize::try_from(inserted).is_ok_and(|inserted| inserted == params.len()) {
        return Ok(Vec::new());
    }
    let (marks, mut args) = in_list(params.iter().map(|param| param.key.as_str()));
    args.insert(0, run_id.into());
    let sql = format!("SELECT \"key\", value FROM params WHERE run_uuid = ? AND \"key\" IN ({marks})");
    let old: Vec<(String, String)> = tx.fetch_all(sql, args).await?;
    // MySQL takes keys that differ in case alone for the same one.
    let fold = |key: &str| if tx.dialect() == Dialect::MySql { key.to_lowercase() } else { key.to_owned() };
    let old: HashMap<String, String> = old.into_iter().map(|(key, value)| (fold(&key), value)).collect();
    let conflicts = params.into_iter().filter_map(|Param { key, value: new }| {
        let old = old.get(&fold(&key)).filter(|old| **old != new)?.clone();
        Some(Conflict { key, old, new })
    });
    Ok(conflicts.collect())
}

/// The error for a batch with params that the run already has with other values.
pub(super) fn conflicts_error(run_id: &str, conflicts: &[Conflict]) -> Error {
    let shown: Vec<String> = conflicts
        .iter()
        .map(|Conflict { key, old, new }| {
            format!("{{'key': {}, 'old_value': {}, 'new_value': {}}}", repr(key), repr(old), repr(new))
        })
        .collect();
    Error::invalid(format!(
        "Changing param values is not allowed. Params were already logged='[{}]' for run ID='{run_id}'.",
        shown.join(", ")
    ))
}
