//! What a place for artifacts can do.

use std::{ops::Range, time::SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use super::{
    ArtifactPath,
    direct::{DirectTransfer, ThroughServerOnly},
};
use crate::Result;

/// The most entries that one listing gives; a folder with more would make an answer of many megabytes.
pub(super) const ENTRIES_MAX: usize = 100_000;

/// An artifact's bytes as they come.
pub type ByteStream = BoxStream<'static, std::io::Result<Bytes>>;

/// What is known of a file without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArtifactMeta {
    /// Its length in bytes.
    pub size: u64,
    /// Changes whenever the content does; without quotes.
    pub etag: String,
    /// When its content was last written.
    pub modified: SystemTime,
}

/// One file or folder in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, or its path from where the listing's caller counts.
    pub path: String,
    /// The length in bytes of a file; none for a folder.
    pub size: Option<u64>,
}

impl Entry {
    /// Whether this is a folder.
    pub fn is_folder(&self) -> bool {
        self.size.is_none()
    }
}

/// A file on its way into a store.
pub struct Upload {
    /// Its bytes; an error in them is an upload that broke off.
    pub body: ByteStream,
    /// Its length, where the sender said it beforehand.
    pub size: Option<u64>,
}

/// A place for artifacts: a folder or a bucket.
#[async_trait]
pub trait ArtifactStore: Send + Sync {
    /// Stores an upload at `path`, whole or not at all; a reader sees the old file or the new one, never a part.
    async fn put(&self, path: &ArtifactPath, upload: Upload) -> Result<()>;

    /// What is at `path`; a folder or nothing is an error.
    async fn head(&self, path: &ArtifactPath) -> Result<ArtifactMeta>;

    /// The bytes `range` of the file that `meta` was taken of; one that has changed since is an error.
    async fn get(&self, path: &ArtifactPath, meta: &ArtifactMeta, range: Range<u64>) -> Result<ByteStream>;

    /// What lies directly in the folder `path`, by name. A file or nothing has no entries, as in MLflow.
    async fn list(&self, path: &ArtifactPath) -> Result<Vec<Entry>>;

    /// Deletes the file or the folder with all in it; deleting nothing is fine.
    async fn delete(&self, path: &ArtifactPath) -> Result<()>;

    /// Transfers between clients and the place behind this store, where it can sign addresses for them.
    fn direct(&self) -> &dyn DirectTransfer {
        &ThroughServerOnly
    }
}
