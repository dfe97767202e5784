//! Answers that are kept, so that the same question costs nothing the second time.

mod database;
mod key;
mod memory;
mod redis;
mod semantic;
mod stored;
mod wish;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::Gateway;
use crate::endpoint::Kind;
use crate::request::Request;
use crate::secrets::Secret;
use crate::served::Served;

pub(crate) use database::Database;
pub(crate) use key::Key;
pub(crate) use semantic::{Meaning, SemanticConfig};
pub(crate) use stored::{Stored, keep};
pub(crate) use wish::Wish;

use database::InDatabase;
use memory::Memory;
use redis::{InRedis, Redis};
use semantic::{Index, Question};

/// The header that tells what the cache did: `hit`, `miss` or `bypass`.
pub(crate) const CACHE: &str = "x-tidegate-cache";

/// The header that tells how alike the question of a kept answer is, from 0 to 1.
pub(crate) const SIMILARITY: &str = "x-tidegate-cache-similarity";

/// What the cache did for a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CacheUse {
    /// It answered.
    Hit {
        /// How long ago the answer came from its provider.
        age: Duration,
        /// How alike its question is to this one, where that is not the same one.
        similarity: Option<f32>,
    },
    /// It was asked, and had no answer.
    Miss,
    /// It was not asked, because the caller did not want it to be.
    Bypass,
}

impl CacheUse {
    /// The word that the header has for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Hit { .. } => "hit",
            Self::Miss => "miss",
            Self::Bypass => "bypass",
        }
    }
}

/// The `cache` of an endpoint or a route.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CacheConfig {
    pub(crate) store: StoreKind,
    /// How long an answer is good.
    pub(crate) ttl: Duration,
    /// Whose answers these are; endpoints of one namespace share them where they stand for the same model.
    pub(crate) namespace: String,
    /// Bytes that the whole namespace may hold.
    pub(crate) bytes_max: usize,
    /// Bytes of one answer that is still kept.
    pub(crate) entry_bytes_max: usize,
    pub(crate) share: Share,
    /// Whether questions that only mean the same have the same answer.
    pub(crate) semantic: Option<SemanticConfig>,
}

/// Where answers are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum StoreKind {
    /// In this process, until it ends.
    #[default]
    Memory,
    /// In the database that the gateway is given.
    Database,
    /// In the Redis of this address.
    Redis(Secret),
}

/// Who may get an answer that somebody else paid for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Share {
    /// Nobody: answers are kept apart by the caller's key.
    #[default]
    Key,
    /// Whoever asks the same.
    Everyone,
}

/// A place that keeps answers. Losing one is no fault, so neither method fails.
#[async_trait]
pub(crate) trait Store: Send + Sync {
    /// The answer of this key, however old.
    async fn get(&self, key: &Key) -> Option<Arc<Stored>>;
    /// Keeps an answer, without making anybody wait for it.
    fn put(&self, key: Key, stored: Arc<Stored>, ttl: Duration);
}

/// The cache of one endpoint or route.
pub(crate) struct Cache {
    config: CacheConfig,
    store: Arc<dyn Store>,
    index: Option<Arc<Index>>,
}

impl Cache {
    pub(crate) fn new(config: &CacheConfig, caches: &Caches) -> Result<Self, String> {
        let store: Arc<dyn Store> = match &config.store {
            StoreKind::Memory => caches.memory(&config.namespace, config.bytes_max),
            StoreKind::Database => {
                Arc::new(InDatabase::new(Arc::clone(&caches.database), &config.namespace, config.bytes_max))
            }
            StoreKind::Redis(url) => {
                Arc::new(InRedis::new(caches.redis(url)?, &config.namespace, config.entry_bytes_max))
            }
        };
        let index = config.semantic.as_ref().map(|it| caches.index(&config.namespace, it));
        Ok(Self { config: config.clone(), store, index })
    }

    /// The key of a call: whoever asks the same of the same model has the same one.
    pub(crate) fn key(&self, served: &Served, request: &Request, fingerprint: u64) -> Option<Key> {
        key::of(&self.config, served, request, fingerprint)
    }

    /// The answer that is kept for this key, if it is young enough.
    pub(crate) async fn get(&self, key: &Key, wish: Wish) -> Option<Arc<Stored>> {
        let stored = self.store.get(key).await?;
        let age_max = wish.age_max.map_or(self.config.ttl, |it| it.min(self.config.ttl));
        (stored.age() < age_max).then_some(stored)
    }

    /// What a chat asks, where questions that mean the same are the same.
    pub(crate) async fn meaning(
        &self,
        gateway: &Gateway,
        served: &Served,
        request: &Request,
        fingerprint: u64,
    ) -> Option<Meaning> {
        let semantic = self.config.semantic.as_ref().filter(|_| request.kind == Kind::Chat)?;
        let Question { text, rest } = Question::of(request)?;
        let bucket = key::of_body(&self.config, served, request, fingerprint, &rest)?;
        semantic.meaning(gateway, bucket, text).await
    }

    /// The answer to the question most like this one, and how alike they are, if they are alike enough.
    pub(crate) async fn alike(&self, meaning: &Meaning, wish: Wish) -> Option<(Arc<Stored>, f32)> {
        let (index, semantic) = self.index.as_ref().zip(self.config.semantic.as_ref())?;
        let (key, similarity) = index.nearest(meaning, semantic.threshold)?;
        let stored = self.get(&key, wish).await;
        if stored.is_none() && wish.age_max.is_none() {
            index.remove(&key);
        }
        Some((stored?, similarity))
    }

    /// Keeps an answer, unless it is too large.
    fn put(&self, key: Key, meaning: Option<Meaning>, stored: Stored) {
        if stored.bytes() <= self.config.entry_bytes_max {
            self.store.put(key, Arc::new(stored), self.config.ttl);
            if let Some((index, meaning)) = self.index.as_ref().zip(meaning) {
                index.add(key, meaning);
            }
        }
    }
}

/// The caches in this process's memory, by namespace, and the database and the Redis where others are.
#[derive(Default)]
pub(crate) struct Caches {
    memories: Mutex<HashMap<(String, usize), Arc<Memory>>>,
    /// Questions, by namespace, the endpoint that their vectors are from, and how many they may be.
    indexes: Mutex<HashMap<(String, String, usize), Arc<Index>>>,
    /// By their addresses.
    redises: Mutex<Vec<(Secret, Arc<Redis>)>>,
    pub(crate) database: Arc<Database>,
}

impl Caches {
    fn memory(&self, namespace: &str, bytes_max: usize) -> Arc<Memory> {
        let mut memories = self.memories.lock().unwrap_or_else(PoisonError::into_inner);
        let memory = memories.entry((namespace.to_owned(), bytes_max));
        Arc::clone(memory.or_insert_with(|| Arc::new(Memory::new(bytes_max))))
    }

    fn index(&self, namespace: &str, semantic: &SemanticConfig) -> Arc<Index> {
        let mut indexes = self.indexes.lock().unwrap_or_else(PoisonError::into_inner);
        let index = indexes.entry((namespace.to_owned(), semantic.endpoint.clone(), semantic.entries_max));
        Arc::clone(index.or_insert_with(|| Arc::new(Index::new(semantic.entries_max))))
    }

    fn redis(&self, url: &Secret) -> Result<Arc<Redis>, String> {
        let mut redises = self.redises.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = redises.iter().find(|(it, _)| it == url) {
            return Ok(Arc::clone(known));
        }
        let redis = Arc::new(Redis::open(url)?);
        redises.push((url.clone(), Arc::clone(&redis)));
        Ok(redis)
    }

    /// Lets go of the caches that no endpoint has any more.
    pub(crate) fn forget_unused(&self) {
        self.memories.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, it| Arc::strong_count(it) > 1);
        self.indexes.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, it| Arc::strong_count(it) > 1);
        self.redises.lock().unwrap_or_else(PoisonError::into_inner).retain(|(_, it)| Arc::strong_count(it) > 1);
    }
}
