//! Connections that wait for work.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Session;
use crate::{Error, Result};

/// Connections at most: a server serves a few at once faster than many, and other programs want some too.
const CONNECTIONS_MAX: usize = 16;

/// How long a caller waits for a connection that others use.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// How long a connection may wait for work; firewalls forget those that are silent for longer.
const IDLE_MAX: Duration = Duration::from_mins(4);

/// The connections to one database.
#[derive(Debug)]
pub(super) struct Pool<S: Session> {
    options: Arc<S::Options>,
    idle: Arc<Mutex<Vec<(S, Instant)>>>,
    permits: Arc<Semaphore>,
}

/// A connection that is taken out of the pool; dropped, it is closed.
pub(crate) struct Held<S: Session> {
    pub(crate) session: S,
    place: Place<S>,
}

/// The right to one of the pool's connections.
pub(super) struct Place<S: Session> {
    pool: Pool<S>,
    permit: OwnedSemaphorePermit,
}

impl<S: Session> Clone for Pool<S> {
    fn clone(&self) -> Self {
        Self { options: self.options.clone(), idle: self.idle.clone(), permits: self.permits.clone() }
    }
}

impl<S: Session> Pool<S> {
    pub(super) fn new(options: Arc<S::Options>, first: S) -> Self {
        let idle = Arc::new(Mutex::new(vec![(first, Instant::now())]));
        Self { options, idle, permits: Arc::new(Semaphore::new(CONNECTIONS_MAX)) }
    }

    /// A connection that nobody else uses, opened if none is idle.
    pub(super) async fn take(&self) -> Result<Held<S>> {
        let permit = tokio::time::timeout(WAIT_MAX, Arc::clone(&self.permits).acquire_owned()).await;
        let permit = permit
            .map_err(|_| {
                let waited = WAIT_MAX.as_secs();
                Error::Unavailable(format!("all {CONNECTIONS_MAX} connections were busy for {waited} s; try again"))
            })?
            .map_err(|_| Error::Abandoned)?;
        let place = Place { pool: self.clone(), permit };
        while let Some((mut session, since)) = self.pop() {
            if since.elapsed() < IDLE_MAX && session.is_idle() {
                session.reuse();
                return Ok(Held { session, place });
            }
        }
        Ok(Held { session: S::connect(&self.options).await?, place })
    }

    /// The connection that was used last, so that those beyond what is needed grow old.
    fn pop(&self) -> Option<(S, Instant)> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}

impl<S: Session> Held<S> {
    pub(super) fn split(self) -> (S, Place<S>) {
        (self.session, self.place)
    }

    /// Puts the connection back if it can be used again.
    pub(crate) fn give_back(self) {
        if self.session.is_idle() {
            self.place.give_back(self.session);
        }
    }
}

impl<S: Session> Place<S> {
    /// Puts a connection that can be used again back.
    pub(super) fn give_back(self, session: S) {
        self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push((session, Instant::now()));
        drop(self.permit);
    }
}
