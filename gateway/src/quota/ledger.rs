//! Where quotas are counted: in this process, or in a Redis that replicas share.

use super::local::Local;
use super::redis::Shared;
use super::sliding::Slide;
use super::{Measure, RedisConfig};

/// What a call wants of one count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) measure: Measure,
    /// The name of the count: of what, in which window, whose.
    pub(crate) count: String,
    pub(crate) amount: u64,
    /// What the count may not exceed; `None` where it only tells.
    pub(crate) limit: Option<u64>,
    /// When the count may be forgotten, in seconds since 1970.
    pub(crate) ends_unix_s: i64,
    pub(crate) stretch: Stretch,
}

/// For how long a claim counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stretch {
    /// To the end of the window, which is in the name of the count.
    Calendar,
    /// From its slot on for the length of the window.
    Sliding(Slide),
    /// As long as the call is under way, which has this number of chance.
    UnderWay(u64),
}

impl Claim {
    /// Also holds the count to another quota's limit.
    pub(super) fn tighten(&mut self, limit: Option<u64>) {
        self.limit = self.limit.into_iter().chain(limit).min();
    }
}

/// Why nothing was reserved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The claim of this place would exceed its limit, of which so much is used until then, in seconds since 1970.
    Full { claim: usize, used: u64, frees_unix_s: i64 },
    /// Nobody could be asked, in words for the caller.
    Down(String),
}

/// The counts.
#[derive(Debug)]
pub(crate) enum Ledger {
    Local(Local),
    Shared(Shared),
}

impl Default for Ledger {
    fn default() -> Self {
        Self::Local(Local::default())
    }
}

impl Ledger {
    pub(super) fn open(redis: Option<&RedisConfig>) -> Result<Self, String> {
        Ok(match redis {
            None => Self::Local(Local::default()),
            Some(config) => Self::Shared(Shared::open(config)?),
        })
    }

    /// Reserves all of the claims or none; gives each count with them in it.
    pub(super) async fn reserve(&self, claims: &[Claim], now_unix_s: i64) -> Result<Vec<u64>, Refused> {
        match self {
            Self::Local(it) => it.reserve(claims, now_unix_s),
            Self::Shared(it) => it.reserve(claims, now_unix_s).await,
        }
    }

    /// Raises counts of the calendar to what the claims say, where they are less.
    pub(super) async fn raise(&self, claims: &[Claim], now_unix_s: i64) {
        if claims.is_empty() {
            return;
        }
        match self {
            Self::Local(it) => it.raise(claims, now_unix_s),
            Self::Shared(it) => it.raise(claims, now_unix_s).await,
        }
    }

    /// The counts of this process, where nobody else counts.
    pub(super) fn alone(&self) -> Option<&Local> {
        match self {
            Self::Local(it) => Some(it),
            Self::Shared(_) => None,
        }
    }

    /// Puts other amounts in the place of those that were reserved. Never waits.
    pub(super) fn settle(&self, changes: Vec<(Claim, u64)>) {
        if changes.is_empty() {
            return;
        }
        match self {
            Self::Local(it) => it.settle(&changes),
            Self::Shared(it) => it.settle(changes),
        }
    }
}
