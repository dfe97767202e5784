//! Answers kept on disk: the journal of an unfinished run, and the cache across runs.
//!
//! The journal is one file of JSON lines per suite and data; a finished run removes it. The cache is one small file per
//! request. Both are keyed by the sha256 of the request, and neither keeps errors.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::fs::{self, File, OpenOptions};
use tokio::io::AsyncWriteExt as _;

use super::answer::Answer;
use crate::suite::CacheMode;
use crate::{Error, Result};

/// Where finished cells are kept.
pub(crate) struct Journal {
    file: Option<(PathBuf, File)>,
    kept: Arc<HashMap<String, Answer>>,
    cache: Option<PathBuf>,
    mode: CacheMode,
}

/// The reading side, shared by the cells.
pub(crate) struct Kept {
    kept: Arc<HashMap<String, Answer>>,
    cache: Option<PathBuf>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    key: String,
    answer: Answer,
}

/// The user's cache folder for evaluations.
pub(super) fn default_folder() -> Result<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
    let base = variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
    base.map(|it| it.join("tidegate").join("eval")).ok_or_else(|| {
        Error::File(
            "neither XDG_CACHE_HOME nor HOME is set, so there is no folder for the journal; use --no-cache".to_owned(),
        )
    })
}

impl Journal {
    /// Opens the journal of a run with this lock. With `resume`, what an unfinished run left is taken over.
    pub(super) async fn open(folder: Option<PathBuf>, lock: &str, resume: bool, mode: CacheMode) -> Result<Self> {
        let Some(folder) = folder else {
            return Ok(Self { file: None, kept: Arc::default(), cache: None, mode });
        };
        let cache = (mode != CacheMode::Off).then(|| folder.join("cache"));
        if !resume {
            return Ok(Self { file: None, kept: Arc::default(), cache, mode });
        }
        let runs = folder.join("runs");
        fs::create_dir_all(&runs).await.map_err(|it| failed(&runs, &it))?;
        let path = runs.join(format!("{lock}.jsonl"));
        let text = match fs::read_to_string(&path).await {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(failed(&path, &error)),
        };
        // A line that a crash cut in two is no answer; its cell is asked again.
        let lines = text.lines().filter_map(|it| serde_json::from_str::<Line>(it).ok());
        let kept = lines.map(|it| (it.key, it.answer)).collect();
        let mut file =
            OpenOptions::new().create(true).append(true).open(&path).await.map_err(|it| failed(&path, &it))?;
        if !text.is_empty() && !text.ends_with('\n') {
            file.write_all(b"\n").await.map_err(|it| failed(&path, &it))?;
        }
        Ok(Self { file: Some((path, file)), kept: Arc::new(kept), cache, mode })
    }

    pub(super) fn reader(&self) -> Kept {
        let reads = matches!(self.mode, CacheMode::ReadWrite | CacheMode::Read);
        Kept { kept: Arc::clone(&self.kept), cache: self.cache.clone().filter(|_| reads) }
    }

    /// Keeps one answer, before it is counted.
    pub(super) async fn append(&mut self, key: &str, answer: &Answer) -> Result<()> {
        let line = Line { key: key.to_owned(), answer: answer.clone() };
        let text = serde_json::to_string(&line).map_err(|it| Error::File(format!("cannot keep an answer: {it}")))?;
        if let Some((path, file)) = &mut self.file {
            file.write_all(format!("{text}\n").as_bytes()).await.map_err(|it| failed(path, &it))?;
            file.flush().await.map_err(|it| failed(path, &it))?;
        }
        if let Some(cache) = &self.cache
            && matches!(self.mode, CacheMode::ReadWrite | CacheMode::Refresh)
        {
            let path = cached(cache, key);
            let folder = path.parent().unwrap_or(cache);
            fs::create_dir_all(folder).await.map_err(|it| failed(folder, &it))?;
            // Written beside and renamed: another run never reads half a file.
            let partial = path.with_extension(format!("{}.partial", uuid::Uuid::new_v4()));
            fs::write(&partial, &text).await.map_err(|it| failed(&partial, &it))?;
            fs::rename(&partial, &path).await.map_err(|it| failed(&path, &it))?;
        }
        Ok(())
    }

    pub(super) async fn flush(&mut self) -> Result<()> {
        match &mut self.file {
            Some((path, file)) => file.sync_data().await.map_err(|it| failed(path, &it)),
            None => Ok(()),
        }
    }
}

/// Removes the journal of a run that is finished and recorded.
pub(crate) async fn forget(path: Option<&Path>) {
    if let Some(path) = path
        && let Err(error) = fs::remove_file(path).await
    {
        tracing::warn!(path = %path.display(), %error, "the journal of a finished run stays behind");
    }
}

impl Journal {
    /// The journal's file.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        self.file.as_ref().map(|it| it.0.clone())
    }
}

impl Kept {
    pub(super) async fn get(&self, key: &str) -> Option<Answer> {
        if let Some(answer) = self.kept.get(key) {
            return Some(answer.clone());
        }
        let text = fs::read_to_string(cached(self.cache.as_ref()?, key)).await.ok()?;
        serde_json::from_str::<Line>(&text).ok().filter(|it| it.key == key).map(|it| it.answer)
    }
}

fn cached(folder: &Path, key: &str) -> PathBuf {
    folder.join(&key[..2]).join(format!("{key}.json"))
}

fn failed(path: &Path, error: &std::io::Error) -> Error {
    Error::File(format!("cannot use {}: {error}", path.display()))
}
