//! All runs of an experiment as CSV, in the columns of `mlflow experiments csv`.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Seek, Write},
    path::Path,
};

use anyhow::Context;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::cli::{
    View,
    output::whole,
    records::{Failure, Records},
};

/// Columns that every run has.
const FIXED: [&str; 6] = ["run_id", "experiment_id", "status", "artifact_uri", "start_time", "end_time"];

/// Which metrics, params and tags there are.
#[derive(Default)]
struct Columns {
    metrics: BTreeSet<String>,
    params: BTreeSet<String>,
    tags: BTreeSet<String>,
}

/// Writes the runs of an experiment into a file, or to standard output.
///
/// The first line names the columns, which are known only after the last run: the runs wait in a temporary file, so
/// that memory holds one page of them.
pub(super) async fn export(records: &Records, id: &str, view: View, target: Option<&Path>) -> anyhow::Result<()> {
    let mut columns = Columns::default();
    let spool = tempfile::tempfile().context("cannot create a temporary file")?;
    let mut writer = BufWriter::new(&spool);
    let body = json!({"experiment_ids": [id], "run_view_type": view.name()});
    records
        .search("runs/search", body, "runs", u64::MAX, |run| {
            columns.note(&run);
            writeln!(writer, "{run}").context("cannot write the temporary file")
        })
        .await?;
    writer.flush().context("cannot write the temporary file")?;
    drop(writer);
    match target {
        None => match write(&columns, &spool, io::stdout().lock()) {
            Err(error) if is_gone(&error) => Ok(()),
            outcome => outcome,
        },
        Some(target) => {
            let folder = target.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let failed = || format!("cannot write {}", target.display());
            let file = tempfile::NamedTempFile::new_in(folder).with_context(failed)?;
            write(&columns, &spool, file.as_file()).with_context(failed)?;
            file.persist(target).map_err(|error| error.error).with_context(failed)?;
            Ok(())
        }
    }
}

impl Columns {
    fn note(&mut self, run: &Value) {
        let data = &run["data"];
        for (kind, keys) in [("metrics", &mut self.metrics), ("params", &mut self.params), ("tags", &mut self.tags)] {
            for (key, _) in entries(data, kind) {
                if !keys.contains(key) {
                    keys.insert(key.to_owned());
                }
            }
        }
    }

    fn kinds(&self) -> [(&'static str, &BTreeSet<String>); 3] {
        [("metrics", &self.metrics), ("params", &self.params), ("tags", &self.tags)]
    }
}

fn write(columns: &Columns, mut spool: &File, target: impl Write) -> anyhow::Result<()> {
    spool.rewind().context("cannot read the temporary file")?;
    let mut writer = csv::Writer::from_writer(target);
    let head = columns.kinds().into_iter().flat_map(|(kind, keys)| keys.iter().map(move |key| format!("{kind}.{key}")));
    writer.write_record(FIXED.iter().map(|it| (*it).to_owned()).chain(head))?;
    for line in BufReader::new(spool).lines() {
        let run: Value = serde_json::from_str(&line.context("cannot read the temporary file")?)
            .map_err(|error| Failure::Broken(error.into()))?;
        let info = &run["info"];
        let text = |key: &str| info[key].as_str().unwrap_or_default().to_owned();
        let mut row = vec![
            text("run_id"),
            text("experiment_id"),
            text("status"),
            text("artifact_uri"),
            pandas_time(whole(info, "start_time")),
            pandas_time(whole(info, "end_time").filter(|it| *it != 0)),
        ];
        for (kind, keys) in columns.kinds() {
            let held: std::collections::HashMap<&str, String> = entries(&run["data"], kind).collect();
            row.extend(keys.iter().map(|key| held.get(key.as_str()).cloned().unwrap_or_default()));
        }
        writer.write_record(row)?;
    }
    writer.flush()?;
    Ok(())
}

fn entries<'v>(data: &'v Value, kind: &'v str) -> impl Iterator<Item = (&'v str, String)> {
    data[kind].as_array().map(Vec::as_slice).unwrap_or_default().iter().map(move |entry| {
        let value = match &entry["value"] {
            Value::String(text) if kind != "metrics" => text.clone(),
            Value::String(text) => match text.as_str() {
                // What is not a number is an empty cell for pandas, and the infinities have short names.
                "NaN" => String::new(),
                "Infinity" => "inf".to_owned(),
                "-Infinity" => "-inf".to_owned(),
                text => text.to_owned(),
            },
            Value::Null => String::new(),
            other => other.to_string(),
        };
        (entry["key"].as_str().unwrap_or_default(), value)
    })
}

/// A time (ms since 1970) as pandas writes it.
fn pandas_time(ms: Option<i64>) -> String {
    let Some(ms) = ms else { return String::new() };
    let Ok(at) = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000) else { return ms.to_string() };
    let (hour, minute, second) = at.to_hms();
    let (year, month, day, millis) = (at.year(), u8::from(at.month()), at.day(), at.millisecond());
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{millis:03}+00:00")
}

fn is_gone(error: &anyhow::Error) -> bool {
    let kind = error.chain().find_map(|it| {
        it.downcast_ref::<io::Error>().map(io::Error::kind).or_else(|| {
            it.downcast_ref::<csv::Error>().and_then(|it| match it.kind() {
                csv::ErrorKind::Io(it) => Some(it.kind()),
                _ => None,
            })
        })
    });
    kind == Some(io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_pandas() {
        assert_eq!(pandas_time(Some(1_795_560_448_937)), "2026-11-24 22:47:28.937+00:00");
        assert_eq!(pandas_time(Some(1_795_560_448_000)), "2026-11-24 22:47:28.000+00:00");
        assert_eq!(pandas_time(None), "");
    }
}
