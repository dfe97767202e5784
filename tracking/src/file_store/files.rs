//! Reads the small files of a file store: YAML, and folders with one file for each key.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;

use crate::{Error, Result};

/// The largest file that is read whole: tens of millions of metric values.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// Folders within folders in a key with slashes; deeper ones are a loop of links.
const DEPTH_MAX: usize = 64;

/// Whether a path is a folder.
pub(super) fn is_folder(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|it| it.is_dir())
}

/// The folders in a folder, by name; none where there is no such folder.
pub(super) fn folders(path: &Path) -> Result<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> = entries(path)?.into_iter().filter(|it| is_folder(it)).collect();
    found.sort();
    Ok(found)
}

/// The text of a file, as it is.
pub(super) fn text(path: &Path) -> Result<String> {
    let size = fs::metadata(path).map_err(|error| broken(path, &error))?.len();
    if size > FILE_BYTES_MAX {
        return Err(Error::TooLarge(format!(
            "{}: {size} bytes, at most {FILE_BYTES_MAX} are read; it is no file of MLflow's, or holds too many values",
            path.display()
        )));
    }
    fs::read_to_string(path).map_err(|error| broken(path, &error))
}

/// A YAML file as the value that it describes.
pub(super) fn yaml<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = text(path)?;
    serde_saphyr::from_str_with_options(&text, serde_saphyr::options! { strict_booleans: true })
        .map_err(|error| Error::invalid(format!("{}: {}", path.display(), error.without_snippet())))
}

/// The files in a folder and below it, each with its key: its path in the folder.
pub(super) fn keyed_files(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    let mut waiting = vec![(folder.to_owned(), 0)];
    while let Some((at, depth)) = waiting.pop() {
        if depth > DEPTH_MAX {
            return Err(Error::invalid(format!("{}: more than {DEPTH_MAX} folders deep", at.display())));
        }
        for path in entries(&at)? {
            if is_folder(&path) {
                waiting.push((path, depth + 1));
                continue;
            }
            let key = path.strip_prefix(folder).ok().and_then(Path::to_str);
            let key = key.ok_or_else(|| Error::invalid(format!("{}: the name is not UTF-8", path.display())))?;
            found.push((key.to_owned(), path));
        }
    }
    found.sort();
    Ok(found)
}

/// The files in a folder and below it as pairs of key and content.
pub(super) fn pairs(folder: &Path) -> Result<Vec<(String, String)>> {
    keyed_files(folder)?.into_iter().map(|(key, path)| Ok((key, text(&path)?))).collect()
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let listed = match fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(broken(folder, &error)),
    };
    listed.map(|it| it.map(|it| it.path()).map_err(|error| broken(folder, &error))).collect()
}

fn broken(path: &Path, error: &io::Error) -> Error {
    Error::invalid(format!("{}: {error}", path.display()))
}
