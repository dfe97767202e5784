//! Addresses in a bucket that clients send to and read from themselves.

use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use http::{HeaderName, HeaderValue, Method, header::CONTENT_TYPE};
use object_store::{PutMultipartOptions, multipart::PartId, path::Path, signer::SignedUrlOptions};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{store::BucketStore, uri::BucketName};
use crate::{
    ArtifactPath, Error, Result,
    artifacts::{
        direct::{
            DirectOffers, DirectTransfer, SignedDownload, SignedUpload, StartedUpload, UploadedPart, unsupported,
        },
        store::ArtifactStore as _,
    },
};

/// How long the addresses of parts are valid; what boto3 and Azure's library are asked for by MLflow.
const PARTS_VALID: Duration = Duration::from_hours(1);

/// All but what RFC 8187 lets stand in an extended parameter value.
const UNSAFE_IN_NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'_').remove(b'~').remove(b'/');

#[async_trait]
impl DirectTransfer for BucketStore {
    fn offers(&self) -> DirectOffers {
        // MLflow's server signs downloads on S3 only, and its clients ask for no other.
        DirectOffers { multipart_upload: true, download: self.is_s3() }
    }

    async fn start_upload(&self, path: &ArtifactPath, parts: u32) -> Result<StartedUpload> {
        let key = self.key(path)?;
        let failed = |error: object_store::Error| self.failed("starting the upload of", path, &error);
        if self.is_azure() {
            // The signature is made over the address as it is written, which Azure takes for the name itself.
            if !key.as_ref().bytes().all(|it| it.is_ascii_alphanumeric() || b"-_./".contains(&it)) {
                return Err(unsupported("Multipart upload"));
            }
            let url = self.client.api.signed_url(Method::PUT, &key, PARTS_VALID).await;
            let url = url.map_err(|error| self.unsigned(path, &error))?;
            let part_urls = (1..=parts).map(|number| block_url(&url, number)).collect();
            return Ok(StartedUpload { id: None, part_urls });
        }
        let options = PutMultipartOptions {
            attributes: self.client.attributes.clone(),
            tags: self.client.tags.clone(),
            ..PutMultipartOptions::default()
        };
        let id = self.client.api.create_multipart_opts(&key, options).await.map_err(failed)?;
        match self.part_urls(&key, &id, parts).await {
            Ok(part_urls) => Ok(StartedUpload { id: Some(id), part_urls }),
            Err(error) => {
                // The parts cannot be sent, so the upload must not stay.
                self.client.api.abort_multipart(&key, &id).await.map_err(failed)?;
                Err(self.unsigned(path, &error))
            }
        }
    }

    async fn finish_upload(&self, path: &ArtifactPath, id: &str, parts: Vec<UploadedPart>) -> Result<()> {
        let is_azure = self.is_azure();
        let content_id = |part: UploadedPart| if is_azure { block_name(part.number) } else { part.etag };
        let parts = parts.into_iter().map(|part| PartId { content_id: content_id(part) }).collect();
        let stored = self.client.api.complete_multipart(&self.key(path)?, &id.to_owned(), parts).await;
        stored.map(|_| ()).map_err(|error| self.failed("completing the upload of", path, &error))
    }

    async fn abort_upload(&self, path: &ArtifactPath, id: &str) -> Result<()> {
        let aborted = self.client.api.abort_multipart(&self.key(path)?, &id.to_owned()).await;
        aborted.map_err(|error| self.failed("aborting the upload of", path, &error))
    }

    async fn sign_download(&self, path: &ArtifactPath, valid: Duration) -> Result<SignedDownload> {
        if !self.is_s3() {
            return Err(unsupported("Multipart download"));
        }
        let meta = self.head(path).await?;
        // A browser that follows the address saves the file under its name, whatever its type.
        let options = SignedUrlOptions::new().with_query([("response-content-disposition", save_as(path.name()))]);
        let url = self.client.api.signed_url_opts(Method::GET, &self.key(path)?, valid, &options).await;
        let url = url.map_err(|error| self.failed("signing the address of", path, &error))?;
        Ok(SignedDownload { url: url.into(), size: meta.size })
    }

    async fn sign_upload(&self, path: &ArtifactPath, valid: Duration) -> Result<SignedUpload> {
        if !self.is_s3() {
            return Err(unsupported("Presigned upload"));
        }
        let mut headers = self.client.headers.clone();
        if !headers.iter().any(|(name, _)| name == "Content-Type") {
            let media_type = mime_guess::from_path(path.name()).first_or_octet_stream();
            headers.insert(0, ("Content-Type".to_owned(), media_type.essence_str().to_owned()));
        }
        let mut options = SignedUrlOptions::new();
        for (name, value) in &headers {
            options = options.with_signed_header(header_name(name)?, header_value(name, value)?);
        }
        let url = self.client.api.signed_url_opts(Method::PUT, &self.key(path)?, valid, &options).await;
        let url = url.map_err(|error| self.failed("signing the address of", path, &error))?;
        Ok(SignedUpload { url: url.into(), headers })
    }
}

impl BucketStore {
    fn is_s3(&self) -> bool {
        matches!(self.client.name, BucketName::S3 { .. })
    }

    fn is_azure(&self) -> bool {
        matches!(self.client.name, BucketName::Azure { .. })
    }

    /// Whoever may write to GCS or Azure need not be allowed to sign addresses, e.g. with a user's own login or a shared
    /// access signature. Clients that hear that parts are not supported send the file through this server.
    fn unsigned(&self, path: &ArtifactPath, error: &object_store::Error) -> Error {
        let error = self.failed("signing the addresses of the parts of", path, error);
        if self.is_s3() {
            return error;
        }
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        tracing::warn!(%error, cause, "clients cannot send parts to the bucket themselves, so all pass through here");
        unsupported("Multipart upload")
    }

    async fn part_urls(&self, key: &Path, id: &str, parts: u32) -> object_store::Result<Vec<String>> {
        let mut urls = Vec::with_capacity(parts as usize);
        for number in 1..=parts {
            let query = [("partNumber", number.to_string()), ("uploadId", id.to_owned())];
            let options = SignedUrlOptions::new().with_query(query);
            let url = self.client.api.signed_url_opts(Method::PUT, key, PARTS_VALID, &options).await?;
            urls.push(url.into());
        }
        Ok(urls)
    }
}

/// Azure's signature covers the file, not the block, so one is enough for all blocks.
fn block_url(url: &url::Url, number: u32) -> String {
    let block = base64::engine::general_purpose::STANDARD.encode(block_name(number));
    let mut url = url.clone();
    url.query_pairs_mut().append_pair("comp", "block").append_pair("blockid", &block);
    url.into()
}

/// Names of one length, as Azure wants the blocks of a file to have.
fn block_name(number: u32) -> String {
    format!("mlflow_block_{number:05}")
}

fn save_as(name: &str) -> String {
    if name.bytes().all(|it| it == b' ' || it.is_ascii_graphic()) {
        let escaped = name.replace('\\', "\\\\").replace('"', "\\\"");
        format!("attachment; filename=\"{escaped}\"")
    } else {
        format!("attachment; filename*=UTF-8''{}", utf8_percent_encode(name, UNSAFE_IN_NAME))
    }
}

fn header_name(name: &str) -> Result<HeaderName> {
    if name == "Content-Type" {
        return Ok(CONTENT_TYPE);
    }
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| Error::invalid(format!("`{name}` is no name of a header")))
}

fn header_value(name: &str, value: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(value).map_err(|_| Error::invalid(format!("the value of header `{name}` is no header text")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_to_save_under() {
        let check = |name, expect| assert_eq!(save_as(name), expect);
        check("a b.txt", "attachment; filename=\"a b.txt\"");
        check("a\"b", "attachment; filename=\"a\\\"b\"");
        check("ü.txt", "attachment; filename*=UTF-8''%C3%BC.txt");
    }

    #[test]
    fn blocks_have_names_of_one_length() {
        let url = url::Url::parse("https://a.blob.core.windows.net/c/x?sv=1&sig=s%2B").unwrap();
        let expect = "https://a.blob.core.windows.net/c/x?sv=1&sig=s%2B&comp=block&blockid=bWxmbG93X2Jsb2NrXzAwMDA3";
        assert_eq!(block_url(&url, 7), expect);
    }
}
