//! `tidegate artifacts`: the files of a run.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail};
use clap::{ArgGroup, Subcommand};
use serde_json::json;
use tracking::{ArtifactEntry, ArtifactPath};

use super::{
    output::{JsonLines, cell, print, table},
    records::{ArtifactFolder, Failure, Missing, Place, Records},
    runs,
};

/// Files that one upload of a folder may have; more is a mistyped folder.
const FILES_MAX: usize = 1_000_000;

/// List, upload and download the artifacts of a run.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  tidegate artifacts list -r 4f0e… --json\n  \
                  tidegate artifacts download -r 4f0e… -a model -d ./here\n  \
                  tidegate artifacts log-artifact -r 4f0e… -l report.html -a reports\n\n\
                  Exit codes: 0 done, 1 refused (no such run, for example), 2 wrong usage or nothing reached.")]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List what lies in a folder of a run's artifacts.
    List {
        /// The run's id.
        #[arg(short = 'r', long, value_name = "ID")]
        run_id: String,
        /// The folder; the topmost by default.
        #[arg(short = 'a', long, value_name = "PATH", default_value = "", hide_default_value = true)]
        artifact_path: String,
        /// Print JSON for programs.
        #[arg(long)]
        json: bool,
    },
    /// Upload a file.
    LogArtifact {
        /// The file.
        #[arg(short = 'l', long, value_name = "FILE")]
        local_file: PathBuf,
        /// The run's id.
        #[arg(short = 'r', long, value_name = "ID")]
        run_id: String,
        /// The folder of the run's artifacts that it goes into.
        #[arg(short = 'a', long, value_name = "PATH", default_value = "", hide_default_value = true)]
        artifact_path: String,
    },
    /// Upload all files in a folder, with its subfolders.
    LogArtifacts {
        /// The folder.
        #[arg(short = 'l', long, value_name = "FOLDER")]
        local_dir: PathBuf,
        /// The run's id.
        #[arg(short = 'r', long, value_name = "ID")]
        run_id: String,
        /// The folder of the run's artifacts that they go into.
        #[arg(short = 'a', long, value_name = "PATH", default_value = "", hide_default_value = true)]
        artifact_path: String,
    },
    /// Download a file, or a folder with all in it.
    #[command(group = ArgGroup::new("which").required(true))]
    Download {
        /// The run's id.
        #[arg(short = 'r', long, value_name = "ID", group = "which")]
        run_id: Option<String>,
        /// The file or folder; all artifacts by default.
        #[arg(short = 'a', long, value_name = "PATH", conflicts_with = "artifact_uri")]
        artifact_path: Option<String>,
        /// Where the artifacts lie, in place of a run: `runs:/<run id>/<path>`, `mlflow-artifacts:/…`, `s3://…`.
        #[arg(short = 'u', long, value_name = "URI", group = "which")]
        artifact_uri: Option<String>,
        /// The local folder that they go into; it is created where there is none.
        #[arg(short = 'd', long, value_name = "FOLDER", default_value = ".")]
        dst_path: PathBuf,
    },
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let records = Records::open(&args.place, Missing::Refuse).await?;
    match args.command {
        Command::List { run_id, artifact_path, json } => {
            let folder = of_run(&records, &run_id).await?;
            list(&folder, &parse(&artifact_path)?, json).await?;
        }
        Command::LogArtifact { local_file, run_id, artifact_path } => {
            let folder = of_run(&records, &run_id).await?;
            let name = name_of(&local_file)?;
            let target = parse(&artifact_path)?.join(&file(&name)?);
            folder.upload(&local_file, &target).await?;
            print(&format!(
                "Logged artifact from local file {} to artifact path {target} of run {run_id}.",
                local_file.display()
            ))?;
        }
        Command::LogArtifacts { local_dir, run_id, artifact_path } => {
            let folder = of_run(&records, &run_id).await?;
            let into = parse(&artifact_path)?;
            let files = local_files(&local_dir)?;
            for (path, name) in &files {
                folder.upload(path, &into.join(&file(name)?)).await?;
            }
            print(&format!("Logged {} file(s) from {} into run {run_id}.", files.len(), local_dir.display()))?;
        }
        Command::Download { run_id, artifact_path, artifact_uri, dst_path } => {
            let (folder, path) = match (run_id, artifact_uri) {
                (Some(run_id), _) => (of_run(&records, &run_id).await?, parse(&artifact_path.unwrap_or_default())?),
                (None, Some(uri)) => of_uri(&records, &uri).await?,
                (None, None) => bail!("name a run with --run-id or a place with --artifact-uri"),
            };
            download(&folder, &path, &dst_path).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(folder: &ArtifactFolder<'_>, path: &ArtifactPath, json: bool) -> anyhow::Result<()> {
    let entries = folder.list(path).await?;
    if json {
        let mut lines = JsonLines::default();
        for entry in &entries {
            let mut object = json!({"path": entry.path, "is_dir": entry.is_folder()});
            if let Some(size) = entry.size {
                object["file_size"] = size.into();
            }
            lines.entry(&object)?;
        }
        return lines.finish();
    }
    let mut shown = table(["path", "bytes"]);
    for ArtifactEntry { path, size } in &entries {
        let name = if size.is_none() { format!("{path}/") } else { path.clone() };
        shown.add_row([cell(&name), size.map(|it| it.to_string()).unwrap_or_default()]);
    }
    print(&shown.to_string())
}

/// Downloads a file, or all files of a folder below its own name, as MLflow's client does.
async fn download(folder: &ArtifactFolder<'_>, path: &ArtifactPath, target: &Path) -> anyhow::Result<()> {
    let files = folder.files(path).await?;
    if files.is_empty() {
        if path.as_str().is_empty() {
            print("There are no artifacts.")?;
            return Ok(());
        }
        let target = target.join(path.name());
        folder.download(path, &target).await?;
        return print(&target.display().to_string());
    }
    let keep_from = match path.as_str().rsplit_once('/') {
        Some((parents, _)) => parents.len() + 1,
        None => 0,
    };
    for entry in &files {
        // A store may name anything; only paths without a way out are written.
        let source = file(&entry.path)?;
        folder.download(&source, &target.join(&source.as_str()[keep_from..])).await?;
    }
    print(&target.join(path.name()).display().to_string())
}

async fn of_run<'r>(records: &'r Records, run_id: &str) -> anyhow::Result<ArtifactFolder<'r>> {
    let run = runs::by_id(records, run_id).await?;
    let uri = field_text(&run["info"]["artifact_uri"], run_id)?;
    records.artifacts(&uri)
}

async fn of_uri<'r>(records: &'r Records, uri: &str) -> anyhow::Result<(ArtifactFolder<'r>, ArtifactPath)> {
    if let Some(rest) = uri.strip_prefix("runs:/") {
        let (run_id, path) = rest.trim_start_matches('/').split_once('/').unwrap_or((rest, ""));
        return Ok((of_run(records, run_id).await?, parse(path)?));
    }
    let (parent, name) = uri.trim_end_matches('/').rsplit_once('/').context("the address names no file or folder")?;
    // A bucket or root of its own has no parent to look from.
    if name.is_empty() || parent.ends_with('/') || parent.ends_with(':') {
        return Ok((records.artifacts(uri)?, ArtifactPath::root()));
    }
    Ok((records.artifacts(parent)?, parse(name)?))
}

fn field_text(value: &serde_json::Value, run_id: &str) -> anyhow::Result<String> {
    match value.as_str() {
        Some(text) => Ok(text.to_owned()),
        None => Err(Failure::missing(format!("the run {run_id} has no artifact location")).into()),
    }
}

fn parse(path: &str) -> anyhow::Result<ArtifactPath> {
    Ok(ArtifactPath::parse(&path.replace('%', "%25"))?)
}

pub(super) fn file(path: &str) -> anyhow::Result<ArtifactPath> {
    Ok(ArtifactPath::file(&path.replace('%', "%25"))?)
}

fn name_of(path: &Path) -> anyhow::Result<String> {
    let name = path.file_name().and_then(|it| it.to_str());
    Ok(name.with_context(|| format!("{} names no file, or its name is not UTF-8", path.display()))?.to_owned())
}

/// The files in a folder and below it, with their paths in it.
pub(super) fn local_files(root: &Path) -> anyhow::Result<Vec<(PathBuf, String)>> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let failed = || format!("cannot read the folder {}", folder.display());
        for entry in std::fs::read_dir(&folder).with_context(failed)? {
            let entry = entry.with_context(failed)?;
            let path = entry.path();
            if entry.file_type().with_context(failed)?.is_dir() {
                folders.push(path);
                continue;
            }
            let below = path.strip_prefix(root).ok().and_then(Path::to_str);
            let below = below.with_context(|| format!("the name of {} is not UTF-8", path.display()))?.to_owned();
            files.push((path, below));
            if files.len() > FILES_MAX {
                bail!("{} holds more than {FILES_MAX} files; name a smaller folder", root.display());
            }
        }
    }
    files.sort();
    Ok(files)
}
