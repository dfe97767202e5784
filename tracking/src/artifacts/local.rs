//! Artifacts in a folder of this machine.

use std::{
    fs, io,
    ops::Range,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use async_trait::async_trait;
use futures::StreamExt as _;
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};
use tokio_util::io::ReaderStream;

use super::{
    ArtifactPath,
    store::{ArtifactMeta, ArtifactStore, ByteStream, ENTRIES_MAX, Entry, Upload},
};
use crate::{Error, Result};

/// Uploads in progress wait here, on the file system that they will stay on, so that a rename finishes them.
const UPLOADS: &str = ".tidegate-uploads";

/// An upload that nobody has written to for so long was left behind by a server that died.
const UPLOAD_AGE_MAX: Duration = Duration::from_hours(24);

/// One read from the disk, and so the memory that a download takes.
const READ_BYTES: usize = 256 * 1024;

/// New files get what the process's umask leaves of this, as any program's do; a temporary file alone would be 0600.
const FILE_MODE: u32 = 0o666;

/// A folder of artifacts. Symbolic links in it are followed only as long as they stay inside.
#[derive(Clone, Debug)]
pub(super) struct LocalStore {
    root: PathBuf,
}

impl LocalStore {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Deletes uploads that a server left behind when it died; other servers may be writing the young ones.
    pub(super) fn sweep(&self) {
        let Ok(uploads) = fs::read_dir(self.root.join(UPLOADS)) else { return };
        for upload in uploads.flatten() {
            let age = upload.metadata().and_then(|it| it.modified()).ok().and_then(|it| it.elapsed().ok());
            if age.is_some_and(|it| it > UPLOAD_AGE_MAX)
                && let Err(error) = fs::remove_file(upload.path())
            {
                tracing::warn!(file = %upload.path().display(), %error, "an upload left behind cannot be deleted");
            }
        }
    }

    /// Runs file system calls where they may block.
    async fn blocking<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Self) -> Result<T> + Send + 'static,
    {
        let store = self.clone();
        tokio::task::spawn_blocking(move || work(&store))
            .await
            .map_err(|error| Error::internal("working on an artifact", error))?
    }

    /// Where an existing file or folder really is, or `None` where there is nothing.
    fn find(&self, path: &ArtifactPath) -> Result<Option<PathBuf>> {
        let Some(root) = real_path(&self.root, path)? else { return Ok(None) };
        let Some(found) = real_path(&self.root.join(path.as_str()), path)? else { return Ok(None) };
        if !found.starts_with(&root) || found.starts_with(root.join(UPLOADS)) {
            return Err(outside(path));
        }
        Ok(Some(found))
    }

    /// Opens a file and says what it is; folders, pipes and nothing are errors.
    fn open(&self, path: &ArtifactPath) -> Result<(fs::File, ArtifactMeta)> {
        let found = self.find(path)?.ok_or_else(|| missing(path))?;
        // A pipe would block the open, so what it is comes first.
        let kind = fs::metadata(&found).map_err(|error| broken("reading", path, error))?;
        if !kind.is_file() {
            return Err(Error::invalid(format!("Artifact path refers to a directory, not a file: '{path}'")));
        }
        let file = fs::File::open(&found).map_err(|error| broken("opening", path, error))?;
        let meta = file.metadata().map_err(|error| broken("reading", path, error))?;
        let meta = describe(&meta).map_err(|error| broken("reading", path, error))?;
        Ok((file, meta))
    }

    /// Refuses a path that cannot take a file: through a link that leads outside, through a file, or onto a folder.
    fn check_writable(&self, path: &ArtifactPath) -> Result<()> {
        if path.as_str().split('/').next() == Some(UPLOADS) {
            return Err(Error::invalid(format!("Invalid path \"{path}\": `{UPLOADS}` is where uploads wait")));
        }
        let target = self.root.join(path.as_str());
        if fs::symlink_metadata(&target).is_ok() {
            let is_folder = self.find(path)?.is_some_and(|it| it.is_dir());
            if is_folder {
                return Err(Error::invalid(format!("Invalid path \"{path}\": there is a folder of that name")));
            }
        }
        for ancestor in target.ancestors().skip(1).take_while(|it| it.starts_with(&self.root)) {
            if fs::symlink_metadata(ancestor).is_err() {
                continue;
            }
            let (Some(root), Some(real)) = (real_path(&self.root, path)?, real_path(ancestor, path)?) else {
                return Err(outside(path));
            };
            if !real.starts_with(root) {
                return Err(outside(path));
            }
            if !real.is_dir() {
                return Err(Error::invalid(format!("Invalid path \"{path}\": a file is in the way of its folder")));
            }
            return Ok(());
        }
        Ok(())
    }

    fn start_upload(&self, path: &ArtifactPath) -> Result<NamedTempFile> {
        self.check_writable(path)?;
        let uploads = self.root.join(UPLOADS);
        fs::create_dir_all(&uploads).map_err(|error| broken("creating the folder for uploads for", path, error))?;
        tempfile::Builder::new()
            .permissions(fs::Permissions::from_mode(FILE_MODE))
            .tempfile_in(uploads)
            .map_err(|error| broken("starting the upload of", path, error))
    }

    /// Gives a complete upload its name; the names of new folders and of the file are on disk when this returns.
    fn finish_upload(&self, path: &ArtifactPath, upload: NamedTempFile) -> Result<()> {
        // The store may have changed while the body came in.
        self.check_writable(path)?;
        let target = self.root.join(path.as_str());
        let folders: Vec<&Path> = target.ancestors().skip(1).take_while(|it| it.starts_with(&self.root)).collect();
        let new_folders = folders.iter().take_while(|it| !it.exists()).count();
        let failed = |error| broken("storing", path, error);
        fs::create_dir_all(folders[0]).map_err(failed)?;
        upload.persist(&target).map_err(|error| failed(error.error))?;
        for folder in folders.iter().take(new_folders + 1) {
            fs::File::open(folder).and_then(|it| it.sync_all()).map_err(failed)?;
        }
        Ok(())
    }

    fn entries(&self, path: &ArtifactPath) -> Result<Vec<Entry>> {
        let Some(folder) = self.find(path)?.filter(|it| it.is_dir()) else { return Ok(Vec::new()) };
        let mut entries = Vec::new();
        for item in fs::read_dir(&folder).map_err(|error| broken("listing", path, error))? {
            let item = item.map_err(|error| broken("listing", path, error))?;
            // A name that is not UTF-8 cannot be asked for over HTTP, so it is no artifact.
            let Some(name) = item.file_name().to_str().map(str::to_owned) else { continue };
            let Ok(child) = ArtifactPath::from_parts(path, &name) else { continue };
            // Links that lead nowhere or outside, and files that went away meanwhile, are not there to be read.
            let Ok(Some(found)) = self.find(&child) else { continue };
            let Ok(meta) = fs::metadata(found) else { continue };
            entries.push(Entry { path: name, size: meta.is_file().then_some(meta.len()) });
            if entries.len() > ENTRIES_MAX {
                return Err(Error::TooLarge(format!(
                    "folder `{path}` holds more than {ENTRIES_MAX} artifacts; list a folder below it"
                )));
            }
        }
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }

    fn remove(&self, path: &ArtifactPath) -> Result<()> {
        if path.as_str().is_empty() {
            return Err(Error::invalid(
                "Invalid path \"\": the artifact root itself cannot be deleted; name what is in it",
            ));
        }
        self.check_writable_parent(path)?;
        let target = self.root.join(path.as_str());
        let removed = match fs::symlink_metadata(&target) {
            Err(_) => return Ok(()),
            Ok(meta) if meta.is_dir() => fs::remove_dir_all(&target),
            Ok(_) => fs::remove_file(&target),
        };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(broken("deleting", path, error)),
            _ => Ok(()),
        }
    }

    /// Refuses to delete through a link that leads outside; a link itself may be deleted.
    fn check_writable_parent(&self, path: &ArtifactPath) -> Result<()> {
        let parent = ArtifactPath::parent(path);
        if path.as_str().split('/').next() == Some(UPLOADS) {
            return Err(outside(path));
        }
        self.find(&parent).map(|_| ()).map_err(|_| outside(path))
    }
}

#[async_trait]
impl ArtifactStore for LocalStore {
    async fn put(&self, path: &ArtifactPath, upload: Upload) -> Result<()> {
        let mut body = upload.body;
        let target = path.clone();
        let upload = self.blocking(move |store| store.start_upload(&target)).await?;
        let failed = |error| broken("writing", path, error);
        let mut file = tokio::fs::File::from_std(upload.as_file().try_clone().map_err(failed)?);
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| {
                Error::invalid(format!("the upload of artifact `{path}` broke off, nothing was stored: {error}"))
            })?;
            file.write_all(&chunk).await.map_err(failed)?;
        }
        file.flush().await.map_err(failed)?;
        file.sync_all().await.map_err(failed)?;
        let target = path.clone();
        self.blocking(move |store| store.finish_upload(&target, upload)).await
    }

    async fn head(&self, path: &ArtifactPath) -> Result<ArtifactMeta> {
        let path = path.clone();
        self.blocking(move |store| store.open(&path)).await.map(|(_, meta)| meta)
    }

    async fn get(&self, path: &ArtifactPath, meta: &ArtifactMeta, range: Range<u64>) -> Result<ByteStream> {
        let asked = path.clone();
        let (file, now) = self.blocking(move |store| store.open(&asked)).await?;
        if now != *meta {
            return Err(Error::InvalidState(format!("artifact `{path}` was replaced meanwhile; ask again")));
        }
        let mut file = tokio::fs::File::from_std(file);
        file.seek(io::SeekFrom::Start(range.start)).await.map_err(|error| broken("reading", path, error))?;
        Ok(ReaderStream::with_capacity(file.take(range.end.saturating_sub(range.start)), READ_BYTES).boxed())
    }

    async fn list(&self, path: &ArtifactPath) -> Result<Vec<Entry>> {
        let path = path.clone();
        self.blocking(move |store| store.entries(&path)).await
    }

    async fn delete(&self, path: &ArtifactPath) -> Result<()> {
        let path = path.clone();
        self.blocking(move |store| store.remove(&path)).await
    }
}

/// The path without links, or `None` where there is nothing.
fn real_path(path: &Path, asked: &ArtifactPath) -> Result<Option<PathBuf>> {
    match fs::canonicalize(path) {
        Ok(path) => Ok(Some(path)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(broken("finding", asked, error)),
    }
}

fn describe(meta: &fs::Metadata) -> io::Result<ArtifactMeta> {
    // Every upload is a new file, so the inode tells apart two of one size within one tick of the clock.
    let etag = format!("{:x}-{:x}-{:x}-{:x}", meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.len());
    Ok(ArtifactMeta { size: meta.len(), etag, modified: meta.modified()? })
}

fn missing(path: &ArtifactPath) -> Error {
    Error::not_found(format!("No such artifact: '{path}'"))
}

fn outside(path: &ArtifactPath) -> Error {
    Error::invalid(format!("Invalid path \"{path}\": it leads out of the artifact root"))
}

fn broken(doing: &str, path: &ArtifactPath, error: io::Error) -> Error {
    Error::internal(format!("{doing} artifact `{path}` failed"), error)
}
