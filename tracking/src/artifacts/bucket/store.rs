//! What lies below one path of a bucket, as an artifact store.

use std::{ops::Range, sync::Arc, time::SystemTime};

use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::{GetOptions, GetRange, ObjectMeta, path::Path};

use super::{Client, failure, listing, upload};
use crate::{
    ArtifactPath, Error, Result,
    artifacts::{
        direct::DirectTransfer,
        store::{ArtifactMeta, ArtifactStore, ByteStream, Entry, Upload},
    },
};

/// The longest key that S3, GCS and Azure store, in bytes.
const KEY_BYTES_MAX: usize = 1024;

/// A path in a bucket and all below it.
#[derive(Clone)]
pub(in crate::artifacts) struct BucketStore {
    pub(super) client: Arc<Client>,
    prefix: String,
}

impl BucketStore {
    pub(super) fn new(client: Arc<Client>, prefix: String) -> Self {
        Self { client, prefix }
    }

    /// The key of an artifact, or what the keys of a folder start with.
    pub(super) fn key(&self, path: &ArtifactPath) -> Result<Path> {
        let text = match (self.prefix.as_str(), path.as_str()) {
            ("", below) => below.to_owned(),
            (prefix, "") => prefix.to_owned(),
            (prefix, below) => format!("{prefix}/{below}"),
        };
        if text.len() > KEY_BYTES_MAX {
            let bytes = text.len();
            return Err(Error::invalid(format!(
                "Invalid path \"{path}\": with the folder that it is in it has {bytes} bytes, a key in a bucket has at \
                 most {KEY_BYTES_MAX}"
            )));
        }
        Path::parse(&text).map_err(|error| Error::invalid(format!("Invalid path \"{path}\": {error}")))
    }

    /// The error for a request about `path` that failed.
    pub(super) fn failed(&self, doing: &str, path: &ArtifactPath, error: &object_store::Error) -> Error {
        failure::explain(&self.client.name, doing, path, error)
    }

    /// What a missing file really is: a folder, or nothing.
    async fn missing(&self, path: &ArtifactPath) -> Error {
        match self.is_folder(path).await {
            Ok(true) => Error::invalid(format!("Artifact path refers to a directory, not a file: '{path}'")),
            Ok(false) => Error::not_found(format!("No such artifact: '{path}'")),
            Err(error) => error,
        }
    }

    async fn is_folder(&self, path: &ArtifactPath) -> Result<bool> {
        let found = listing::first_below(&self.client, &self.key(path)?).await;
        found.map_err(|error| self.failed("finding", path, &error))
    }
}

#[async_trait]
impl ArtifactStore for BucketStore {
    async fn put(&self, path: &ArtifactPath, upload: Upload) -> Result<()> {
        upload::store(self, path, upload).await
    }

    async fn head(&self, path: &ArtifactPath) -> Result<ArtifactMeta> {
        if path.as_str().is_empty() {
            return Err(Error::invalid("Artifact path refers to a directory, not a file: ''"));
        }
        let options = GetOptions { head: true, ..GetOptions::default() };
        match self.client.api.get_opts(&self.key(path)?, options).await {
            Ok(found) => Ok(describe(&found.meta)),
            Err(object_store::Error::NotFound { .. }) => Err(self.missing(path).await),
            Err(error) => Err(self.failed("finding", path, &error)),
        }
    }

    async fn get(&self, path: &ArtifactPath, meta: &ArtifactMeta, range: Range<u64>) -> Result<ByteStream> {
        if range.is_empty() {
            return Ok(futures::stream::empty().boxed());
        }
        let is_whole = range == (0..meta.size);
        let options = GetOptions {
            if_match: Some(format!("\"{}\"", meta.etag)),
            range: (!is_whole).then_some(GetRange::Bounded(range)),
            ..GetOptions::default()
        };
        let found = self.client.api.get_opts(&self.key(path)?, options).await;
        let found = found.map_err(|error| self.failed("reading", path, &error))?;
        // Not every service minds `If-Match`.
        if describe(&found.meta) != *meta {
            return Err(Error::InvalidState(format!("artifact `{path}` was replaced meanwhile; ask again")));
        }
        Ok(found.into_stream().map_err(|error| failure::broken_off(&error)).boxed())
    }

    async fn list(&self, path: &ArtifactPath) -> Result<Vec<Entry>> {
        listing::folder(self, path).await
    }

    async fn delete(&self, path: &ArtifactPath) -> Result<()> {
        listing::delete(self, path).await
    }

    fn direct(&self) -> &dyn DirectTransfer {
        self
    }
}

fn describe(meta: &ObjectMeta) -> ArtifactMeta {
    let modified = SystemTime::from(meta.last_modified);
    let etag = meta.e_tag.as_deref().map(|it| it.trim_start_matches("W/").trim_matches('"').to_owned());
    // All three services give entity tags; one that does not is told by time and size.
    let etag = etag.unwrap_or_else(|| format!("{:x}-{:x}", meta.last_modified.timestamp_micros(), meta.size));
    ArtifactMeta { size: meta.size, etag, modified }
}
