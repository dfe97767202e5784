//! Answers in a Redis that replicas share. A lookup is one round trip; a Redis that does not answer has no answers, and
//! nobody waits for what is kept.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use redis::{Cmd, Pipeline};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::database::hex;
use super::{Key, Store, Stored};
use crate::redis::{Down, Link};
use crate::secrets::Secret;

/// Answers that wait to be sent: at a MiB each, what a moment without Redis may cost in memory.
const WAITING_MAX: usize = 64;
/// Bytes after which answers that are sent together are enough, so that Redis takes them in time.
const TOGETHER_BYTES: usize = 1 << 20;
/// In front of every name; the namespace and the key's hash follow.
const PREFIX: &str = "tidegate:cache:";

/// The Redis of one address. What is kept has a connection of its own, so that no lookup waits behind it.
pub(super) struct Redis {
    lookups: Link,
    puts: Sender<Put>,
}

/// An answer to be kept.
struct Put {
    name: String,
    bytes_max: usize,
    ttl: Duration,
    stored: Arc<Stored>,
}

impl Redis {
    /// Connects when it is first needed. Must be called where a runtime is.
    pub(super) fn open(url: &Secret) -> Result<Self, String> {
        let (puts, waiting) = channel(WAITING_MAX);
        // It ends with the last endpoint that has this cache, since they hold the only sender.
        tokio::spawn(write(Link::open(url)?, waiting));
        Ok(Self { lookups: Link::open(url)?, puts })
    }
}

/// One namespace in Redis.
pub(super) struct InRedis {
    redis: Arc<Redis>,
    namespace: String,
    entry_bytes_max: usize,
}

impl InRedis {
    pub(super) fn new(redis: Arc<Redis>, namespace: &str, entry_bytes_max: usize) -> Self {
        Self { redis, namespace: namespace.to_owned(), entry_bytes_max }
    }

    fn name(&self, key: &Key) -> String {
        format!("{PREFIX}{}:{}", self.namespace, hex(&key.0))
    }
}

#[async_trait]
impl Store for InRedis {
    async fn get(&self, key: &Key) -> Option<Arc<Stored>> {
        // Whatever others put there, no more is read than may be kept: what is cut off is no answer.
        let mut range = Cmd::new();
        range.arg("GETRANGE").arg(self.name(key)).arg(0).arg(self.entry_bytes_max - 1);
        let found: Result<Vec<u8>, Down> =
            self.redis.lookups.ask(async |connection| range.query_async(connection).await).await;
        match found {
            Ok(bytes) if bytes.is_empty() => None,
            Ok(bytes) => Stored::from_json(std::str::from_utf8(&bytes).ok()?).map(Arc::new),
            Err(Down::Unasked) => None,
            Err(Down::Failed(error)) => {
                tracing::warn!(error, "Redis was asked for a kept answer, and failed");
                None
            }
        }
    }

    fn put(&self, key: Key, stored: Arc<Stored>, ttl: Duration) {
        let put = Put { name: self.name(&key), bytes_max: self.entry_bytes_max, ttl, stored };
        if self.redis.puts.try_send(put).is_err() {
            tracing::debug!("Redis is slower than the answers: one was not kept");
        }
    }
}

/// Sends what comes, as long as anybody may put something there. What Redis does not take is not kept.
async fn write(link: Link, mut puts: Receiver<Put>) {
    while let Some(first) = puts.recv().await {
        let mut pipeline = Pipeline::new();
        let mut bytes = 0;
        let mut next = Some(first);
        while let Some(Put { name, bytes_max, ttl, stored }) = next {
            if let Some(json) = stored.to_json().filter(|it| it.len() <= bytes_max) {
                bytes += json.len();
                let ttl_ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
                pipeline.cmd("SET").arg(name).arg(json).arg("PX").arg(ttl_ms).ignore();
            }
            next = if bytes < TOGETHER_BYTES { puts.try_recv().ok() } else { None };
        }
        if bytes > 0
            && let Err(Down::Failed(error)) = link.ask(async |connection| pipeline.exec_async(connection).await).await
        {
            tracing::warn!(error, "Redis did not keep answers");
        }
    }
}
