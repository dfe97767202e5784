//! Uploads into a bucket: small files at once, large ones in parts as they come, in memory that has a bound.

use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use object_store::{Attribute, Attributes, MultipartUpload, PutMultipartOptions, PutOptions, path::Path};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
};

use super::{Client, store::BucketStore};
use crate::{
    ArtifactPath, Error, Result,
    artifacts::store::{ByteStream, Upload},
};

/// The size of a part, and the largest file that is sent without parts.
const PART_BYTES: usize = 8 * 1024 * 1024;

/// The parts that S3 and GCS take of one file. A file that is announced to be larger than so many parts gets larger ones.
const PARTS_MAX: u64 = 10_000;

/// Parts of one upload that are on their way while the next one fills; enough to hide the service's answer time.
const PARTS_IN_FLIGHT: usize = 3;

/// Buffers of [`PART_BYTES`] that all uploads have together, a quarter of a gigabyte; further uploads wait, and so do their
/// senders.
pub(super) const BUFFERS_MAX: usize = 32;

/// Stores an upload at `path`.
pub(super) async fn store(store: &BucketStore, path: &ArtifactPath, upload: Upload) -> Result<()> {
    let client = &store.client;
    let part_bytes = part_bytes(upload.size);
    let mut incoming = Incoming::new(path, upload, part_bytes, client);
    let (first, permit) = incoming.part().await?;
    let key = store.key(path)?;
    let attributes = attributes(client, path);
    if incoming.is_over {
        let options = PutOptions { attributes, tags: client.tags.clone(), ..PutOptions::default() };
        let stored = client.api.put_opts(&key, first.into(), options).await;
        return stored.map(|_| ()).map_err(|error| store.failed("storing", path, &error));
    }
    let mut parts = Parts::start(store, path, &key, attributes).await?;
    match parts.send_all(&mut incoming, first, permit).await {
        Ok(()) => Ok(()),
        Err(error) => {
            parts.begun.abort().await;
            Err(error)
        }
    }
}

/// Parts of one size, as some services that speak S3's protocol want them; the last one may be smaller.
fn part_bytes(size: Option<u64>) -> usize {
    let needed = size.unwrap_or_default().div_ceil(PARTS_MAX);
    usize::try_from(needed).map_or(PART_BYTES, |it| it.max(PART_BYTES))
}

/// What a new object gets: the operator's properties, and a media type by its name.
fn attributes(client: &Client, path: &ArtifactPath) -> Attributes {
    let mut attributes = client.attributes.clone();
    if attributes.get(&Attribute::ContentType).is_none() {
        let media_type = mime_guess::from_path(path.name()).first_or_octet_stream();
        attributes.insert(Attribute::ContentType, media_type.essence_str().to_owned().into());
    }
    attributes
}

/// The body as it comes, cut into parts.
struct Incoming<'a> {
    path: &'a ArtifactPath,
    body: ByteStream,
    announced: Option<u64>,
    received: u64,
    part_bytes: usize,
    /// What did not fit into the last part.
    left_over: Bytes,
    is_over: bool,
    buffers: &'a std::sync::Arc<Semaphore>,
}

impl<'a> Incoming<'a> {
    fn new(path: &'a ArtifactPath, upload: Upload, part_bytes: usize, client: &'a Client) -> Self {
        Self {
            path,
            body: upload.body,
            announced: upload.size,
            received: 0,
            part_bytes,
            left_over: Bytes::new(),
            is_over: false,
            buffers: &client.buffers,
        }
    }

    /// The next part, full unless the body ends with it, and the memory that it takes.
    async fn part(&mut self) -> Result<(Bytes, OwnedSemaphorePermit)> {
        let buffers = self.part_bytes.div_ceil(PART_BYTES).min(BUFFERS_MAX);
        let buffers = u32::try_from(buffers).expect("it is at most BUFFERS_MAX");
        let permit = std::sync::Arc::clone(self.buffers).acquire_many_owned(buffers).await;
        let permit = permit.map_err(|error| Error::internal("waiting for memory for an upload", error))?;
        let left = self.announced.map_or(0, |size| size.saturating_sub(self.received));
        let capacity = usize::try_from(left).unwrap_or(usize::MAX).min(self.part_bytes);
        let mut part = BytesMut::with_capacity(capacity.max(self.left_over.len()));
        part.extend_from_slice(&std::mem::take(&mut self.left_over));
        while part.len() < self.part_bytes {
            let Some(chunk) = self.body.next().await else {
                self.is_over = true;
                break;
            };
            let mut chunk = chunk.map_err(|error| self.broke_off(&error))?;
            self.received += chunk.len() as u64;
            let fits = chunk.len().min(self.part_bytes - part.len());
            part.extend_from_slice(&chunk.split_to(fits));
            self.left_over = chunk;
        }
        if self.is_over && self.announced.is_some_and(|size| size != self.received) {
            let received = self.received;
            return Err(self.broke_off(&format!("{received} bytes came, not as many as Content-Length said")));
        }
        Ok((part.freeze(), permit))
    }

    fn broke_off(&self, why: &dyn std::fmt::Display) -> Error {
        let path = self.path;
        Error::invalid(format!("the upload of artifact `{path}` broke off, nothing was stored: {why}"))
    }
}

/// An upload in parts that has begun, and who asked for it.
struct Parts<'a> {
    store: &'a BucketStore,
    path: &'a ArtifactPath,
    begun: Begun,
}

/// What the service keeps until the upload is complete. Nothing of it is to be seen in the bucket before; dropped before
/// that, because the sender left, it is aborted in the background, so that its parts are not kept and paid for.
struct Begun {
    upload: Option<Box<dyn MultipartUpload>>,
    path: ArtifactPath,
    in_flight: JoinSet<object_store::Result<()>>,
}

impl<'a> Parts<'a> {
    async fn start(store: &'a BucketStore, path: &'a ArtifactPath, key: &Path, attributes: Attributes) -> Result<Self> {
        let tags = store.client.tags.clone();
        let options = PutMultipartOptions { attributes, tags, ..PutMultipartOptions::default() };
        let (api, key, path_of_task) = (store.client.api.clone(), key.clone(), path.clone());
        // A task of its own, because a sender who leaves while the service answers would leave an upload without a name.
        let begun = tokio::spawn(async move {
            let upload = api.put_multipart_opts(&key, options).await?;
            Ok(Begun { upload: Some(upload), path: path_of_task, in_flight: JoinSet::new() })
        });
        let begun = begun.await.map_err(|error| Error::internal("beginning the upload of an artifact", error))?;
        let begun = begun.map_err(|error| store.failed("storing", path, &error))?;
        Ok(Self { store, path, begun })
    }

    async fn send_all(
        &mut self,
        incoming: &mut Incoming<'_>,
        first: Bytes,
        permit: OwnedSemaphorePermit,
    ) -> Result<()> {
        let (mut part, mut permit) = (first, permit);
        for _ in 0..PARTS_MAX {
            self.send(part, permit).await?;
            if incoming.is_over {
                return self.complete().await;
            }
            (part, permit) = incoming.part().await?;
            if part.is_empty() {
                return self.complete().await;
            }
        }
        let bytes_max = PARTS_MAX * PART_BYTES as u64;
        Err(Error::TooLarge(format!(
            "artifact `{}` is larger than {bytes_max} bytes, and the request did not say so beforehand; send it with a \
             Content-Length header",
            self.path
        )))
    }

    async fn send(&mut self, part: Bytes, permit: OwnedSemaphorePermit) -> Result<()> {
        while self.begun.in_flight.len() >= PARTS_IN_FLIGHT {
            self.await_one().await?;
        }
        let sending = self.begun.upload().put_part(part.into());
        self.begun.in_flight.spawn(async move {
            let outcome = sending.await;
            drop(permit);
            outcome
        });
        Ok(())
    }

    async fn await_one(&mut self) -> Result<()> {
        match self.begun.in_flight.join_next().await {
            None | Some(Ok(Ok(()))) => Ok(()),
            Some(Ok(Err(error))) => Err(self.store.failed("storing", self.path, &error)),
            Some(Err(error)) => Err(Error::internal("sending a part of an artifact", error)),
        }
    }

    async fn complete(&mut self) -> Result<()> {
        while !self.begun.in_flight.is_empty() {
            self.await_one().await?;
        }
        let completed = self.begun.upload().complete().await;
        completed.map_err(|error| self.store.failed("storing", self.path, &error))?;
        self.begun.upload = None;
        Ok(())
    }
}

impl Begun {
    fn upload(&mut self) -> &mut Box<dyn MultipartUpload> {
        self.upload.as_mut().expect("it is taken when the upload ends")
    }

    fn abort(&mut self) -> impl Future<Output = ()> + use<> {
        let (upload, path) = (self.upload.take(), self.path.clone());
        let mut in_flight = std::mem::take(&mut self.in_flight);
        async move {
            let Some(mut upload) = upload else { return };
            // To the end, not cut off: a service that has a part already would store it after the abort, and keep it.
            while in_flight.join_next().await.is_some() {}
            if let Err(error) = upload.abort().await {
                let error = super::failure::broken_off(&error);
                tracing::warn!(%path, %error, "the parts of an upload that broke off cannot be deleted");
            }
        }
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        // A runtime that is ending takes no more work; the bucket's own rules then clear the parts away.
        if self.upload.is_some()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(self.abort());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_grow_with_files_that_need_more_than_ten_thousand() {
        let check = |size: Option<u64>, expect: usize| assert_eq!(part_bytes(size), expect, "{size:?}");
        check(None, PART_BYTES);
        check(Some(0), PART_BYTES);
        check(Some(5 << 30), PART_BYTES);
        check(Some(PARTS_MAX * PART_BYTES as u64), PART_BYTES);
        check(Some(PARTS_MAX * PART_BYTES as u64 + 1), PART_BYTES + 1);
        check(Some(1 << 40), 109_951_163);
    }
}
