//! Virtual keys in the database, beside those of the configuration: made, changed and revoked while the gateway runs.
//!
//! All keys are held in memory, so that no call waits for the database. What is changed through this process holds at
//! once; what another replica changes, within [`POLL_PERIOD`]. While the database cannot be read, the keys that were
//! known go on opening.

mod http;
mod row;
mod store;

use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use db::Db;
use rest::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::Keys;

pub(crate) use http::router;
use store::{Stamp, Store};

/// How long a change that another replica made may take to hold here.
const POLL_PERIOD: Duration = Duration::from_secs(5);
/// How long the answer to a change waits until it holds; it will in any case, somewhat later.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// Changes that may wait for the same reading of the database.
const WAITING_MAX: usize = 64;

/// The keys of a database, once the gateway has one.
#[derive(Default)]
pub(crate) struct DatabaseKeys(RwLock<Option<Opened>>);

#[derive(Clone)]
struct Opened {
    store: Store,
    asks: mpsc::Sender<oneshot::Sender<()>>,
}

impl DatabaseKeys {
    /// Reads the keys of a database into `keys`, and follows it from then on, as long as this lives.
    pub(crate) async fn open(&self, db: Db, keys: &Arc<ArcSwap<Keys>>) -> db::Result<()> {
        let store = Store::new(db);
        let (asks, asked) = mpsc::channel(WAITING_MAX);
        let mut follower = Follower { store: store.clone(), keys: Arc::downgrade(keys), seen: None, is_lost: false };
        // A gateway that does not know its keys must not open.
        follower.look().await?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Opened { store, asks });
        tokio::spawn(follower.follow(asked));
        Ok(())
    }

    fn opened(&self) -> Result<Opened, Error> {
        let opened = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        opened.ok_or_else(|| {
            Error::InvalidState(
                "this gateway has no database to keep keys in; run `tidegate server`, or `tidegate gateway --db URI`, or \
                 write `keys` into its configuration"
                    .to_owned(),
            )
        })
    }
}

impl Opened {
    /// Waits until what has just been written holds here.
    async fn changed(&self) {
        let (done, is_done) = oneshot::channel();
        let asking = async {
            if self.asks.send(done).await.is_ok() {
                let _ = is_done.await;
            }
        };
        if timeout(WAIT_MAX, asking).await.is_err() {
            tracing::warn!("a change of keys does not hold yet: the database answers slowly");
        }
    }
}

/// Follows the database.
struct Follower {
    store: Store,
    keys: Weak<ArcSwap<Keys>>,
    /// What tells the keys that are known from others.
    seen: Option<Stamp>,
    /// Whether the database could not be read the last time, which is told once.
    is_lost: bool,
}

impl Follower {
    async fn follow(mut self, mut asked: mpsc::Receiver<oneshot::Sender<()>>) {
        loop {
            let mut waiting = match timeout(POLL_PERIOD, asked.recv()).await {
                Ok(None) => return,
                Ok(Some(done)) => vec![done],
                Err(_) => Vec::new(),
            };
            // Whoever has written before this reading is served by it.
            while let Ok(done) = asked.try_recv() {
                waiting.push(done);
            }
            match self.look().await {
                Ok(()) => self.is_lost = false,
                Err(error) => {
                    if !std::mem::replace(&mut self.is_lost, true) {
                        tracing::warn!(%error, "the keys of the database cannot be read; those that were known hold");
                    }
                }
            }
            for done in waiting {
                let _ = done.send(());
            }
        }
    }

    async fn look(&mut self) -> db::Result<()> {
        let stamp = self.store.stamp().await?;
        if self.seen == Some(stamp) {
            return Ok(());
        }
        let rows = self.store.all().await?;
        let Some(keys) = self.keys.upgrade() else { return Ok(()) };
        let known = rows.into_iter().filter_map(|row| {
            let name = row.name.clone();
            row.into_key()
                .map(Arc::new)
                .inspect_err(|error| {
                    tracing::warn!(key = name, %error, "a key of the database cannot be read, and opens nothing");
                })
                .ok()
        });
        keys.store(Arc::new(Keys::new(known)));
        self.seen = Some(stamp);
        Ok(())
    }
}
