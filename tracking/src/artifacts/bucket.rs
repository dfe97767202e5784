//! Artifacts in buckets of S3, Google Cloud Storage and Azure, each through the one crate that speaks all three.

mod azure;
mod connection;
mod environment;
mod extra_args;
mod failure;
mod gcs;
mod listing;
mod profile;
mod s3;
mod signing;
mod store;
mod upload;
mod uri;

use std::{
    collections::HashSet,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use lru::LruCache;
use object_store::{
    Attributes, ObjectStore, TagSet, list::PaginatedListStore, multipart::MultipartStore, signer::Signer,
};
use tokio::sync::Semaphore;

use self::{environment::Environment, extra_args::ExtraArgs};
use crate::Result;

pub(super) use store::BucketStore;
pub(super) use uri::{BucketName, BucketUri};

/// Open buckets that are kept; each has its own connections. Experiments may lie in any number of buckets.
const CLIENTS_MAX: NonZeroUsize = NonZeroUsize::new(64).expect("64 is not zero");

/// All that a bucket's client has to do.
trait BucketApi: ObjectStore + MultipartStore + PaginatedListStore + Signer {}

impl<T: ObjectStore + MultipartStore + PaginatedListStore + Signer> BucketApi for T {}

/// One open bucket.
struct Client {
    name: BucketName,
    api: Arc<dyn BucketApi>,
    /// Memory that uploads through this server may take, all of them together.
    buffers: Arc<Semaphore>,
    /// What each new object gets.
    attributes: Attributes,
    tags: TagSet,
    /// The same, for uploads that clients send themselves.
    headers: Vec<(String, String)>,
}

/// Opens buckets and keeps them open.
pub(super) struct Buckets {
    environment: Environment,
    /// Accounts that the operator named, as `account.domain` without the service: credentials may be sent there.
    trusted_accounts: HashSet<String>,
    clients: Mutex<LruCache<BucketName, Arc<Client>>>,
    buffers: Arc<Semaphore>,
}

impl Buckets {
    /// Takes the settings of this process; `named` are the URIs that the operator gave to the server.
    pub(super) fn new<'a>(named: impl IntoIterator<Item = &'a BucketUri>) -> Self {
        Self {
            environment: Environment::of_process(),
            trusted_accounts: named.into_iter().filter_map(|uri| account_of(&uri.name)).collect(),
            clients: Mutex::new(LruCache::new(CLIENTS_MAX)),
            buffers: Arc::new(Semaphore::new(upload::BUFFERS_MAX)),
        }
    }

    /// The store of what lies below a URI. Nothing is asked of the service before the first request.
    pub(super) fn open(&self, uri: &BucketUri) -> Result<BucketStore> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let client = clients.try_get_or_insert(uri.name.clone(), || self.connect(&uri.name).map(Arc::new))?;
        Ok(BucketStore::new(Arc::clone(client), uri.prefix.clone()))
    }

    fn connect(&self, name: &BucketName) -> Result<Client> {
        let mut extra = ExtraArgs::default();
        let api: Arc<dyn BucketApi> = match name {
            BucketName::S3 { bucket } => {
                extra = ExtraArgs::load(&self.environment)?;
                Arc::new(s3::open(bucket, &self.environment, &extra)?)
            }
            BucketName::Gcs { bucket } => Arc::new(gcs::open(bucket, &self.environment)?),
            BucketName::Azure { scheme, container, account, domain } => {
                let is_trusted = account_of(name).is_some_and(|account| self.trusted_accounts.contains(&account));
                let container = azure::Container { scheme: *scheme, name: container, account, domain, is_trusted };
                Arc::new(azure::open(&container, &self.environment)?)
            }
        };
        let ExtraArgs { attributes, tags, headers, .. } = extra;
        Ok(Client { name: name.clone(), api, buffers: Arc::clone(&self.buffers), attributes, tags, headers })
    }
}

/// How long signed addresses for downloads are valid unless the server's environment says otherwise; MLflow's default.
pub(super) fn signed_download_seconds() -> Result<i64> {
    const VARIABLE: &str = "MLFLOW_PRESIGNED_DOWNLOAD_URL_TTL_SECONDS";
    match Environment::of_process().get(VARIABLE) {
        None => Ok(300),
        Some(text) => text
            .parse()
            .map_err(|_| crate::Error::invalid(format!("{VARIABLE} must be a number of seconds, got `{text}`"))),
    }
}

/// An Azure account is the same behind `blob.` and `dfs.`.
fn account_of(name: &BucketName) -> Option<String> {
    let BucketName::Azure { account, domain, .. } = name else { return None };
    Some(format!("{account}.{}", domain.replacen("dfs.", "blob.", 1)))
}
