//! Folders in a bucket, which are no more than beginnings that keys share.

use std::borrow::Cow;

use futures::StreamExt as _;
use object_store::{
    GetOptions,
    list::{PaginatedListOptions, PaginatedListResult},
    path::Path,
};

use super::{BucketName, Client, store::BucketStore};
use crate::{
    ArtifactPath, Error, Result,
    artifacts::store::{ENTRIES_MAX, Entry},
};

/// What one folder of a bucket holds, by name.
pub(super) async fn folder(store: &BucketStore, path: &ArtifactPath) -> Result<Vec<Entry>> {
    let key = store.key(path)?;
    let mut entries = Vec::new();
    let mut page_token = None;
    loop {
        let page = page(&store.client, &key, page_token, None).await;
        let page = page.map_err(|error| store.failed("listing", path, &error))?;
        for folder in &page.result.common_prefixes {
            entries.extend(entry(path, &key, folder, None));
        }
        for file in &page.result.objects {
            entries.extend(entry(path, &key, &file.location, Some(file.size)));
        }
        if entries.len() > ENTRIES_MAX {
            return Err(Error::TooLarge(format!(
                "folder `{path}` holds more than {ENTRIES_MAX} artifacts; list a folder below it"
            )));
        }
        page_token = page.page_token;
        if page_token.is_none() {
            break;
        }
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    entries.dedup();
    Ok(entries)
}

/// Whether any key lies below the folder `key`.
pub(super) async fn first_below(client: &Client, key: &Path) -> object_store::Result<bool> {
    let page = page(client, key, None, Some(1)).await?.result;
    Ok(!page.objects.is_empty() || !page.common_prefixes.is_empty())
}

/// Deletes the file `path` and all below the folder `path`, as the pages of its listing come.
pub(super) async fn delete(store: &BucketStore, path: &ArtifactPath) -> Result<()> {
    if path.as_str().is_empty() {
        return Err(Error::invalid(
            "Invalid path \"\": the artifact root itself cannot be deleted; name what is in it",
        ));
    }
    let key = store.key(path)?;
    let api = &store.client.api;
    let itself = is_file(&store.client, &key).await.map_err(|error| store.failed("deleting", path, &error))?;
    let itself = futures::stream::iter(itself.then(|| Ok(key.clone())));
    let below = api.list(Some(&key)).map(|found| found.map(|meta| meta.location));
    let mut deleted = api.delete_stream(itself.chain(below).boxed());
    while let Some(outcome) = deleted.next().await {
        match outcome {
            // Somebody else was quicker.
            Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(store.failed("deleting", path, &error)),
        }
    }
    Ok(())
}

/// Whether there is a file of exactly this key.
async fn is_file(client: &Client, key: &Path) -> object_store::Result<bool> {
    if matches!(client.name, BucketName::Azure { .. }) {
        return is_file_of_azure(client, key).await;
    }
    // Of all keys that start with it, it is the first one.
    let options = PaginatedListOptions {
        delimiter: Some(Cow::Borrowed("/")),
        max_keys: Some(1),
        ..PaginatedListOptions::default()
    };
    let page = client.api.list_paginated(Some(key.as_ref()), options).await?;
    Ok(page.result.objects.iter().any(|file| file.location == *key))
}

/// From Azure's listings the library takes out what is named like the prefix. Where the account keeps folders as such,
/// one of them is found too; it has no bytes, and mostly something in it.
async fn is_file_of_azure(client: &Client, key: &Path) -> object_store::Result<bool> {
    match client.api.get_opts(key, GetOptions { head: true, ..GetOptions::default() }).await {
        Ok(found) => Ok(found.meta.size > 0 || !first_below(client, key).await?),
        Err(object_store::Error::NotFound { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

async fn page(
    client: &Client,
    key: &Path,
    page_token: Option<String>,
    max_keys: Option<usize>,
) -> object_store::Result<PaginatedListResult> {
    let prefix = (!key.is_root()).then(|| format!("{key}/"));
    let options = PaginatedListOptions {
        delimiter: Some(Cow::Borrowed("/")),
        page_token,
        max_keys,
        ..PaginatedListOptions::default()
    };
    client.api.list_paginated(prefix.as_deref(), options).await
}

/// One entry of a listing; the folder's own marker is none, and what a client could not ask for is not there for it.
fn entry(folder: &ArtifactPath, key: &Path, found: &Path, size: Option<u64>) -> Option<Entry> {
    let below = if key.is_root() { found.as_ref() } else { found.as_ref().strip_prefix(key.as_ref())? };
    let name = below.trim_start_matches('/');
    if name.is_empty() || ArtifactPath::from_parts(folder, name).is_err() {
        return None;
    }
    Some(Entry { path: name.to_owned(), size })
}
