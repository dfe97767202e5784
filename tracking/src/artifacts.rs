//! Artifacts: the files of runs, models and traces, kept outside the database.
//!
//! The database knows artifacts by URI (`mlflow-artifacts:/1/<run>/artifacts`); [`Artifacts`] finds the
//! [`ArtifactStore`] behind one and reads and writes there. A store is built by [`open`] alone.

mod bucket;
mod direct;
mod local;
mod path;
mod store;
mod uri;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use futures::StreamExt as _;

use crate::{Error, Result};

use bucket::Buckets;
pub(crate) use direct::unsupported;
pub use direct::{DirectOffers, DirectTransfer, SignedDownload, SignedUpload, StartedUpload, UploadedPart};
pub use path::ArtifactPath;
pub use store::{ArtifactMeta, ArtifactStore, ByteStream, Entry, Upload};
use uri::Location;

/// The root of artifacts that this server serves; what follows is a path below its destination.
const SERVED_ROOT: &str = "mlflow-artifacts:/";

/// Where artifacts go unless the server is told otherwise; MLflow's default too.
const DEFAULT_DESTINATION: &str = "./mlartifacts";

/// Where artifacts live and whether this server hands them out.
#[derive(Clone, Debug)]
pub struct ArtifactOptions {
    /// The artifact location of experiments that name none is below this URI, e.g. `mlflow-artifacts:/`.
    pub default_artifact_root: String,
    /// What is behind `mlflow-artifacts:/`: a folder, as a path or a `file:` URI, or a bucket.
    pub artifacts_destination: String,
    /// Whether this server is a proxy for artifacts.
    pub serve_artifacts: bool,
}

impl ArtifactOptions {
    /// Fills in what was not said, as `mlflow server` does: a server that serves artifacts points new experiments at
    /// itself, another one at a folder that its clients must be able to reach themselves.
    pub fn resolve(
        default_artifact_root: Option<String>,
        artifacts_destination: Option<String>,
        serve_artifacts: bool,
    ) -> Self {
        let root = match default_artifact_root {
            Some(root) => root,
            None if serve_artifacts => SERVED_ROOT.to_owned(),
            None => "./mlruns".to_owned(),
        };
        Self {
            default_artifact_root: root,
            artifacts_destination: artifacts_destination.unwrap_or_else(|| DEFAULT_DESTINATION.to_owned()),
            serve_artifacts,
        }
    }
}

/// Reads and writes artifacts by the URI that the database has for them. Cheap to clone.
#[derive(Clone)]
pub struct Artifacts {
    inner: Arc<Inner>,
}

struct Inner {
    destination: Option<Arc<dyn ArtifactStore>>,
    buckets: Buckets,
    /// Folders that the operator named; only below them this server writes.
    local_roots: Vec<PathBuf>,
}

impl std::fmt::Debug for Artifacts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Artifacts").field("local_roots", &self.inner.local_roots).finish_non_exhaustive()
    }
}

impl Artifacts {
    /// Opens what `options` name. Nothing is created before the first artifact is written, and no service is asked.
    pub fn open(options: &ArtifactOptions) -> Result<Self> {
        let destination =
            if options.serve_artifacts { Some(Location::parse(&options.artifacts_destination)?) } else { None };
        // A root that this server cannot reach may still be one that its clients reach themselves.
        let default_root = Location::parse(&options.default_artifact_root).ok();
        let named = || destination.iter().chain(&default_root);
        let local_roots = named().filter_map(Location::folder).cloned().collect();
        let buckets = Buckets::new(named().filter_map(Location::bucket));
        let destination = match &destination {
            Some(location) => Some(open_destination(&options.artifacts_destination, location, &buckets)?),
            None => None,
        };
        Ok(Self { inner: Arc::new(Inner { destination, buckets, local_roots }) })
    }

    /// The store behind `mlflow-artifacts:/`, unless this server does not serve artifacts.
    pub fn destination(&self) -> Result<&Arc<dyn ArtifactStore>> {
        self.inner.destination.as_ref().ok_or_else(|| {
            Error::Unsupported(
                "this server does not serve artifacts: it was started with --no-serve-artifacts; start it with \
                 --serve-artifacts, or read them where the run's artifact_uri points"
                    .to_owned(),
            )
        })
    }

    /// What clients may do directly with what is behind `mlflow-artifacts:/`.
    pub fn direct_offers(&self) -> DirectOffers {
        self.inner.destination.as_ref().map(|store| store.direct().offers()).unwrap_or_default()
    }

    /// The store and the path in it that an artifact URI stands for.
    pub fn locate(&self, artifact_uri: &str) -> Result<(Arc<dyn ArtifactStore>, ArtifactPath)> {
        match Location::parse(artifact_uri)? {
            Location::Served(path) => Ok((Arc::clone(self.destination()?), path)),
            // As in MLflow, any bucket that the server's credentials open; the operator chose those.
            Location::Bucket(uri) => Ok((Arc::new(self.inner.buckets.open(&uri)?), ArtifactPath::root())),
            // A location that a client chose ends in an id that this server did, so what lies there was put there for it.
            Location::Local(folder) => match self.below_local_root(&folder) {
                Some((root, below)) => {
                    Ok((Arc::new(local::LocalStore::new(root.clone())), ArtifactPath::of_folder(below)?))
                }
                None => Ok((Arc::new(local::LocalStore::new(folder)), ArtifactPath::root())),
            },
        }
    }

    fn below_local_root<'a>(&'a self, folder: &'a Path) -> Option<(&'a PathBuf, &'a Path)> {
        self.inner.local_roots.iter().find_map(|root| Some((root, folder.strip_prefix(root).ok()?)))
    }

    /// Refuses to write into folders that the operator did not name: clients choose the locations of experiments, and
    /// could otherwise create files anywhere on this machine.
    fn check_writable(&self, artifact_uri: &str) -> Result<()> {
        match Location::parse(artifact_uri)? {
            Location::Local(folder) if self.below_local_root(&folder).is_none() => Err(Error::invalid(format!(
                "artifact location `{artifact_uri}` is outside the folders that this server was told to use; start it \
                 with --default-artifact-root or --artifacts-destination at or above it, or write there directly"
            ))),
            _ => Ok(()),
        }
    }

    /// Writes one artifact below `artifact_uri`, whole or not at all; what was there is replaced.
    pub async fn write(&self, artifact_uri: &str, path: &str, bytes: impl Into<Bytes>) -> Result<()> {
        self.check_writable(artifact_uri)?;
        let (store, root) = self.locate(artifact_uri)?;
        let bytes: Bytes = bytes.into();
        let size = Some(bytes.len() as u64);
        let body = futures::stream::once(async { Ok(bytes) }).boxed();
        store.put(&root.join(&ArtifactPath::file(path)?), Upload { body, size }).await
    }

    /// Reads one artifact below `artifact_uri` whole; `bytes_max` bounds the memory that it may take.
    pub async fn read(&self, artifact_uri: &str, path: &str, bytes_max: u64) -> Result<Vec<u8>> {
        let (store, root) = self.locate(artifact_uri)?;
        let path = root.join(&ArtifactPath::file(path)?);
        let meta = store.head(&path).await?;
        if meta.size > bytes_max {
            return Err(Error::TooLarge(format!(
                "artifact `{path}` has {} bytes, at most {bytes_max} are read at once; download it as a stream",
                meta.size
            )));
        }
        let mut body = store.get(&path, &meta, 0..meta.size).await?;
        let mut bytes = Vec::with_capacity(usize::try_from(meta.size).unwrap_or_default());
        while let Some(chunk) = body.next().await {
            bytes.extend_from_slice(
                &chunk.map_err(|error| Error::internal(format!("reading artifact `{path}`"), error))?,
            );
        }
        Ok(bytes)
    }

    /// Lists the folder `path` (empty: the root) below `artifact_uri`, by name; paths are relative to `artifact_uri`.
    pub async fn list(&self, artifact_uri: &str, path: &str) -> Result<Vec<Entry>> {
        let (store, root) = self.locate(artifact_uri)?;
        let folder = ArtifactPath::parse(path)?;
        let entries = store.list(&root.join(&folder)).await?;
        Ok(entries.into_iter().map(|entry| Entry { path: folder.child(&entry.path), ..entry }).collect())
    }
}

/// The scheme of an artifact URI that points at a server like this one, for those who can go around it.
pub(crate) fn proxied_scheme(artifact_uri: &str) -> Option<&str> {
    let (scheme, _) = uri::split_scheme(artifact_uri)?;
    ["http", "https", "mlflow-artifacts"].into_iter().find(|it| it.eq_ignore_ascii_case(scheme))
}

/// How long the address of a download is valid unless its request says so.
pub(crate) fn signed_download_seconds() -> Result<i64> {
    bucket::signed_download_seconds()
}

fn open_destination(uri: &str, location: &Location, buckets: &Buckets) -> Result<Arc<dyn ArtifactStore>> {
    match location {
        Location::Local(folder) if folder.exists() && !folder.is_dir() => Err(Error::invalid(format!(
            "artifact destination `{uri}` is a file; name a folder, which need not exist yet"
        ))),
        Location::Local(folder) => {
            let store = local::LocalStore::new(folder.clone());
            store.sweep();
            Ok(Arc::new(store))
        }
        Location::Bucket(uri) => Ok(Arc::new(buckets.open(uri)?)),
        Location::Served(_) => Err(Error::invalid(format!(
            "artifact destination `{uri}` is an address of this server itself; name a folder, e.g. `{DEFAULT_DESTINATION}`"
        ))),
    }
}
