//! Transfers that go around this server: the store signs addresses, and clients send to and read from those.

use std::time::Duration;

use async_trait::async_trait;

use super::ArtifactPath;
use crate::{Error, Result};

/// What clients may do directly; they ask for it before a large transfer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectOffers {
    /// Send a file in parts.
    pub multipart_upload: bool,
    /// Read a file.
    pub download: bool,
}

/// An upload in parts that has begun.
pub struct StartedUpload {
    /// What the store calls it; some need no name.
    pub id: Option<String>,
    /// Where each part goes, the first one first.
    pub part_urls: Vec<String>,
}

/// A part that a client has sent.
pub struct UploadedPart {
    /// Its place in the file, from 1.
    pub number: u32,
    /// What the store answered to it.
    pub etag: String,
}

/// Where a client reads a file.
pub struct SignedDownload {
    /// The address.
    pub url: String,
    /// The file's length in bytes.
    pub size: u64,
}

/// Where a client sends a file.
pub struct SignedUpload {
    /// The address.
    pub url: String,
    /// Headers that the client must send as they are, since the signature covers them.
    pub headers: Vec<(String, String)>,
}

/// A store's side of direct transfers. What it does not do answers as MLflow's server does, which clients understand.
#[async_trait]
pub trait DirectTransfer: Send + Sync {
    /// What works here.
    fn offers(&self) -> DirectOffers {
        DirectOffers::default()
    }

    /// Begins an upload in `parts` parts.
    async fn start_upload(&self, _path: &ArtifactPath, _parts: u32) -> Result<StartedUpload> {
        Err(unsupported("Multipart upload"))
    }

    /// Makes a file of the parts of an upload.
    async fn finish_upload(&self, _path: &ArtifactPath, _id: &str, _parts: Vec<UploadedPart>) -> Result<()> {
        Err(unsupported("Multipart upload"))
    }

    /// Throws the parts of an upload away.
    async fn abort_upload(&self, _path: &ArtifactPath, _id: &str) -> Result<()> {
        Err(unsupported("Multipart upload"))
    }

    /// Signs an address to read a file from.
    async fn sign_download(&self, _path: &ArtifactPath, _valid: Duration) -> Result<SignedDownload> {
        Err(unsupported("Multipart download"))
    }

    /// Signs an address to send a file to.
    async fn sign_upload(&self, _path: &ArtifactPath, _valid: Duration) -> Result<SignedUpload> {
        Err(unsupported("Presigned upload"))
    }
}

/// A store whose artifacts pass through this server only, such as a folder.
pub(super) struct ThroughServerOnly;

impl DirectTransfer for ThroughServerOnly {}

/// Clients branch on the start of this sentence and then transfer through this server.
pub(crate) fn unsupported(what: &str) -> Error {
    Error::Unsupported(format!("{what} is not supported for the current artifact repository"))
}
