//! A connection to a Redis that replicas share, which is left alone for a moment when it does not answer.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, ErrorKind, RedisError, RedisResult};
use tokio::sync::Semaphore;

use crate::secrets::Secret;

/// How long a call waits for Redis, which is near and answers in a millisecond.
const TIMEOUT: Duration = Duration::from_millis(250);
/// How long nobody asks a Redis that did not answer, so that a dead one costs calls nothing but the first wait.
const PAUSE_S: i64 = 1;
/// Calls that wait for an answer of Redis at once; beyond them it counts as down.
const WAITING_MAX: usize = 4096;

/// A connection that is made when it is first needed, and again after it broke.
pub(crate) struct Link {
    connection: ConnectionManager,
    /// Until when Redis is not asked, in seconds since 1970.
    paused_until: AtomicI64,
    waiting: Semaphore,
}

/// Why Redis told nothing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Down {
    /// It was not asked: it did not answer a moment ago, or too many wait for it.
    Unasked,
    /// It did not answer, or with this error.
    Failed(String),
}

impl Link {
    /// Must be called where a runtime is.
    pub(crate) fn open(url: &Secret) -> Result<Self, String> {
        let wrong =
            |error: &RedisError| format!("the Redis of `redis.url` cannot be used: {}", url.scrub(error.to_string()));
        let client = Client::open(url.reveal()).map_err(|error| wrong(&error))?;
        let options = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(TIMEOUT))
            .set_response_timeout(Some(TIMEOUT))
            .set_number_of_retries(0);
        let connection = ConnectionManager::new_lazy_with_config(client, options).map_err(|error| wrong(&error))?;
        Ok(Self { connection, paused_until: AtomicI64::new(0), waiting: Semaphore::new(WAITING_MAX) })
    }

    /// Asks, unless Redis did not answer a moment ago.
    pub(crate) async fn ask<T>(
        &self,
        ask: impl AsyncFnOnce(&mut ConnectionManager) -> RedisResult<T>,
    ) -> Result<T, Down> {
        if self.paused_until.load(Ordering::Relaxed) > now_unix_s() {
            return Err(Down::Unasked);
        }
        let Ok(_permit) = self.waiting.try_acquire() else { return Err(Down::Unasked) };
        ask(&mut self.connection.clone()).await.map_err(|error| {
            self.paused_until.store(now_unix_s() + PAUSE_S, Ordering::Relaxed);
            Down::Failed(said(&error))
        })
    }

    /// The connection itself, for what must be tried in any case.
    pub(crate) fn connection(&self) -> ConnectionManager {
        self.connection.clone()
    }
}

/// An error without what it was about, which may hold the password.
pub(crate) fn said(error: &RedisError) -> String {
    match error.kind() {
        ErrorKind::Io => "no connection, or no answer in time".to_owned(),
        kind => format!("{kind:?}: {}", error.detail().unwrap_or_default()),
    }
}

fn now_unix_s() -> i64 {
    i64::try_from(llm::unix_seconds()).unwrap_or(i64::MAX)
}
