//! Answers in this process's memory: the least recently used one goes when there is no room.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use lru::LruCache;

use super::{Key, Store, Stored};

/// Bytes that an entry takes beside its answer: key, list, counters.
const ENTRY_BYTES: usize = 256;

pub(super) struct Memory {
    bytes_max: usize,
    held: Mutex<Held>,
}

struct Held {
    entries: LruCache<Key, Arc<Stored>>,
    bytes: usize,
}

impl Memory {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, held: Mutex::new(Held { entries: LruCache::unbounded(), bytes: 0 }) }
    }
}

#[async_trait]
impl Store for Memory {
    async fn get(&self, key: &Key) -> Option<Arc<Stored>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.entries.get(key).cloned()
    }

    fn put(&self, key: Key, stored: Arc<Stored>, _ttl: Duration) {
        let bytes = ENTRY_BYTES + stored.bytes();
        if bytes > self.bytes_max {
            return;
        }
        let mut gone = Vec::new();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.bytes += bytes;
        if let Some((_, old)) = held.entries.push(key, stored) {
            held.bytes -= ENTRY_BYTES + old.bytes();
            gone.push(old);
        }
        while held.bytes > self.bytes_max {
            let Some((_, old)) = held.entries.pop_lru() else { break };
            held.bytes -= ENTRY_BYTES + old.bytes();
            gone.push(old);
        }
        // Freeing a large answer takes a while, which nobody needs to wait for.
        drop(held);
        drop(gone);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::stored::tests::whole;

    #[tokio::test]
    async fn the_least_recently_used_goes_first_and_the_bytes_are_counted() {
        let memory = Memory::new(3 * (ENTRY_BYTES + whole(100).bytes()));
        let put = |name: u8, bytes: usize| memory.put(Key([name; 32]), Arc::new(whole(bytes)), Duration::MAX);
        let has = async |name: u8| memory.get(&Key([name; 32])).await.is_some();
        put(1, 100);
        put(2, 100);
        put(3, 100);
        assert!(has(1).await);
        put(4, 100);
        assert!(has(1).await && !has(2).await && has(3).await && has(4).await);
        // The same key again takes no more room.
        put(4, 100);
        assert!(has(1).await && has(3).await && has(4).await);
        // What can never fit drives nobody out.
        put(5, 10_000);
        assert!(!has(5).await && has(1).await && has(3).await);
        put(6, 300);
        assert!(has(6).await && has(3).await && !has(4).await);
    }
}
