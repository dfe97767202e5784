//! The folder in which a run keeps its artifacts: behind a server's proxy, on this machine, or in a bucket.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, anyhow, bail};
use axum::body::Body;
use futures::{StreamExt, TryStreamExt};
use http::{Method, Request, header};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio_util::io::ReaderStream;
use tracking::{ArtifactEntry, ArtifactOptions, ArtifactPath, ArtifactStore, ArtifactUpload, Artifacts};

use super::{Failure, Records, encode, read};

/// The path of the artifact proxy, in artifact URIs and in requests.
const PROXY_PATH: &str = "/api/2.0/mlflow-artifacts/artifacts";

/// Folders within folders that a listing goes down; deeper ones are a loop of links.
const DEPTH_MAX: usize = 64;

/// The folder behind an artifact URI.
pub(in crate::cli) struct ArtifactFolder<'r> {
    place: Place<'r>,
}

enum Place<'r> {
    /// Below the artifacts that a server hands out.
    Proxied { records: Proxy<'r>, root: ArtifactPath },
    /// Where this process reads and writes by itself, as MLflow's client does.
    Direct { store: Arc<dyn ArtifactStore>, local: Option<PathBuf> },
}

enum Proxy<'r> {
    Same(&'r Records),
    Other(Box<Records>),
}

impl Proxy<'_> {
    fn records(&self) -> &Records {
        match self {
            Self::Same(records) => records,
            Self::Other(records) => records,
        }
    }
}

impl Records {
    /// The folder behind an artifact URI of these records.
    pub(in crate::cli) fn artifacts(&self, uri: &str) -> anyhow::Result<ArtifactFolder<'_>> {
        let place = if let Some(rest) = uri.strip_prefix("mlflow-artifacts:") {
            let (host, path) = match rest.strip_prefix("//") {
                Some(rest) => rest.split_once('/').unwrap_or((rest, "")),
                None => ("", rest),
            };
            let records = match (host, self.scheme()) {
                ("", _) | (_, None) => Proxy::Same(self),
                (host, Some(scheme)) => Proxy::Other(Box::new(Self::server(&format!("{scheme}://{host}"))?)),
            };
            Place::Proxied { records, root: ArtifactPath::parse(path.trim_start_matches('/'))? }
        } else if uri.starts_with("http://") || uri.starts_with("https://") {
            let (base, path) = uri.split_once(PROXY_PATH).ok_or_else(|| {
                anyhow!(
                    "the artifacts at {uri} cannot be reached: the address is not that of a tracking server's proxy"
                )
            })?;
            let records = Proxy::Other(Box::new(Self::server(base)?));
            Place::Proxied { records, root: ArtifactPath::parse(path.trim_start_matches('/'))? }
        } else {
            Place::Direct { store: store_at(uri)?, local: local_folder(uri) }
        };
        Ok(ArtifactFolder { place })
    }

    fn scheme(&self) -> Option<&str> {
        match &self.transport {
            super::Transport::Server { base, .. } => Some(base.scheme()),
            super::Transport::Here(_) => None,
        }
    }
}

impl ArtifactFolder<'_> {
    /// What lies directly in a folder, by name; paths are relative to the whole of the artifacts.
    pub(in crate::cli) async fn list(&self, folder: &ArtifactPath) -> anyhow::Result<Vec<ArtifactEntry>> {
        let below = |name: &str| match folder.as_str() {
            "" => name.to_owned(),
            folder => format!("{folder}/{name}"),
        };
        let entries = match &self.place {
            Place::Direct { store, .. } => store.list(folder).await?,
            Place::Proxied { records, root } => {
                let target = format!("{PROXY_PATH}?path={}", encode(root.join(folder).as_str()));
                let answer = records.records().json(Method::GET, &target, None).await?;
                let files = answer["files"].as_array().map(Vec::as_slice).unwrap_or_default();
                files.iter().map(entry).collect::<Result<_, _>>()?
            }
        };
        Ok(entries.into_iter().map(|it| ArtifactEntry { path: below(&it.path), ..it }).collect())
    }

    /// All files in a folder and below it.
    pub(in crate::cli) async fn files(&self, folder: &ArtifactPath) -> anyhow::Result<Vec<ArtifactEntry>> {
        let mut files = Vec::new();
        let mut folders = vec![(folder.clone(), 0)];
        while let Some((folder, depth)) = folders.pop() {
            if depth > DEPTH_MAX {
                bail!("the folder `{folder}` lies more than {DEPTH_MAX} folders deep; download it by --artifact-path");
            }
            for entry in self.list(&folder).await? {
                if entry.is_folder() {
                    folders.push((ArtifactPath::file(&escaped(&entry.path))?, depth + 1));
                } else {
                    files.push(entry);
                }
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }

    /// Writes the artifact `path` into a file, which is there whole or not at all.
    pub(in crate::cli) async fn download(&self, path: &ArtifactPath, target: &Path) -> anyhow::Result<()> {
        let failed = || format!("cannot write {}", target.display());
        let folder = target.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
        tokio::fs::create_dir_all(folder).await.with_context(failed)?;
        let mut body = match &self.place {
            Place::Direct { store, .. } => {
                let meta = store.head(path).await?;
                store.get(path, &meta, 0..meta.size).await?
            }
            Place::Proxied { records, root } => {
                let request = Request::get(proxy_target(&root.join(path))).body(Body::empty())?;
                let answer = records.records().send(request).await?;
                answer.into_body().into_data_stream().map_err(std::io::Error::other).boxed()
            }
        };
        let part = tempfile::NamedTempFile::new_in(folder).with_context(failed)?;
        let mut file = tokio::fs::File::from_std(part.as_file().try_clone().with_context(failed)?);
        while let Some(chunk) = body.next().await {
            let chunk = chunk.with_context(|| format!("the download of `{path}` broke off; nothing of it was kept"))?;
            file.write_all(&chunk).await.with_context(failed)?;
        }
        file.flush().await.with_context(failed)?;
        part.persist(target).map_err(|error| error.error).with_context(failed)?;
        open_to_all(target).with_context(failed)
    }

    /// Stores a local file as the artifact `path`.
    pub(in crate::cli) async fn upload(&self, file: &Path, path: &ArtifactPath) -> anyhow::Result<()> {
        let failed = || format!("cannot read {}", file.display());
        if let Place::Direct { local: Some(root), .. } = &self.place {
            return copy(file, &root.join(path.as_str())).await;
        }
        let open = tokio::fs::File::open(file).await.with_context(failed)?;
        let size = open.metadata().await.with_context(failed)?.len();
        let body = ReaderStream::with_capacity(open, 256 * 1024);
        match &self.place {
            Place::Direct { store, .. } => {
                store.put(path, ArtifactUpload { body: body.boxed(), size: Some(size) }).await?;
            }
            Place::Proxied { records, root } => {
                let mime = "application/octet-stream";
                let request = Request::put(proxy_target(&root.join(path)))
                    .header(header::CONTENT_TYPE, mime)
                    .header(header::CONTENT_LENGTH, size)
                    .body(Body::from_stream(body))?;
                read(records.records().send(request).await?).await?;
            }
        }
        Ok(())
    }

    /// Deletes everything in a folder; deleting nothing is fine.
    pub(in crate::cli) async fn delete_all(&self) -> anyhow::Result<()> {
        match &self.place {
            Place::Direct { local: Some(folder), .. } => match tokio::fs::remove_dir_all(folder).await {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(error).with_context(|| format!("cannot delete {}", folder.display()))
                }
                _ => Ok(()),
            },
            Place::Direct { store, .. } => {
                for entry in store.list(&ArtifactPath::root()).await? {
                    store.delete(&ArtifactPath::parse(&escaped(&entry.path))?).await?;
                }
                Ok(())
            }
            Place::Proxied { records, root } => {
                let request = Request::delete(proxy_target(root)).body(Body::empty())?;
                read(records.records().send(request).await?).await?;
                Ok(())
            }
        }
    }
}

/// The store whose root an artifact URI names.
fn store_at(uri: &str) -> anyhow::Result<Arc<dyn ArtifactStore>> {
    let artifacts = Artifacts::open(&ArtifactOptions::resolve(None, Some(uri.to_owned()), true))?;
    Ok(Arc::clone(artifacts.destination()?))
}

fn entry(file: &Value) -> Result<ArtifactEntry, Failure> {
    let path = file["path"].as_str().ok_or_else(|| anyhow!("the listing has a file without a path"))?;
    let size = match &file["file_size"] {
        // Protocol buffers write 64-bit numbers as text.
        Value::String(text) => text.parse().ok(),
        number => number.as_u64(),
    };
    let is_folder = file["is_dir"].as_bool().unwrap_or_default();
    Ok(ArtifactEntry { path: path.to_owned(), size: if is_folder { None } else { Some(size.unwrap_or_default()) } })
}

fn proxy_target(path: &ArtifactPath) -> String {
    let segments: Vec<String> = path.as_str().split('/').map(encode).collect();
    format!("{PROXY_PATH}/{}", segments.join("/"))
}

/// A name as it is, for a parser that takes names percent-encoded.
fn escaped(path: &str) -> String {
    path.replace('%', "%25")
}

/// The folder of this machine that a path or `file:` URI names.
pub(in crate::cli) fn local_folder(uri: &str) -> Option<PathBuf> {
    if uri.starts_with("file:") {
        return reqwest::Url::parse(uri).ok()?.to_file_path().ok();
    }
    let has_scheme = uri.split_once(':').is_some_and(|(scheme, _)| scheme.len() > 1 && !scheme.contains('/'));
    (!has_scheme).then(|| PathBuf::from(uri))
}

/// Copies a file into a folder of artifacts, whole or not at all.
async fn copy(file: &Path, target: &Path) -> anyhow::Result<()> {
    let failed = || format!("cannot write {}", target.display());
    let folder = target.parent().with_context(failed)?;
    tokio::fs::create_dir_all(folder).await.with_context(failed)?;
    let part = tempfile::NamedTempFile::new_in(folder).with_context(failed)?;
    tokio::fs::copy(file, part.path())
        .await
        .with_context(|| format!("cannot copy {} to {}", file.display(), target.display()))?;
    part.persist(target).map_err(|error| error.error).with_context(failed)?;
    open_to_all(target).with_context(failed)
}

/// Temporary files are private; what comes of them is an ordinary file.
fn open_to_all(target: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(target, std::fs::Permissions::from_mode(0o644))
}
