//! Counts in a Redis that replicas share: a reservation is one script, so that all replicas hold one quota exactly.

use redis::aio::ConnectionManager;
use redis::{Pipeline, RedisError, Script};
use tokio::sync::mpsc;

use super::ledger::{Claim, Refused};
use super::local::Local;
use crate::redis::{Down, Link, said};
use crate::secrets::Secret;

/// Settlements that wait to be sent.
const SETTLEMENTS_MAX: usize = 16 * 1024;
/// Settlements that are sent at once.
const BATCH_MAX: usize = 256;
/// How long counts outlive their window: a call that began in it may settle later.
const GRACE_S: i64 = 3600;
/// In front of every name; the braces keep all counts on one node of a cluster, as a script needs them.
const PREFIX: &str = "{tidegate}:quota:";

/// Checks all counts, then adds to all of them. KEYS: the counts. ARGV: for each count the amount, the limit (-1 where
/// there is none) and when it may be forgotten. Gives 0 and the counts, or the place of the full one and its count.
const RESERVE: &str = r"
for place = 1, #KEYS do
  local limit = tonumber(ARGV[3 * place - 1])
  if limit >= 0 then
    local used = tonumber(redis.call('GET', KEYS[place]) or '0')
    if used + tonumber(ARGV[3 * place - 2]) > limit then
      return {place, used}
    end
  end
end
local counts = {0}
for place = 1, #KEYS do
  counts[place + 1] = redis.call('INCRBY', KEYS[place], ARGV[3 * place - 2])
  redis.call('EXPIREAT', KEYS[place], ARGV[3 * place])
end
return counts
";

/// Raises counts. KEYS: the counts. ARGV: for each what it is at least, and when it may be forgotten.
const RAISE: &str = r"
for place = 1, #KEYS do
  if tonumber(redis.call('GET', KEYS[place]) or '0') < tonumber(ARGV[2 * place - 1]) then
    redis.call('SET', KEYS[place], ARGV[2 * place - 1])
    redis.call('EXPIREAT', KEYS[place], ARGV[2 * place])
  end
end
return 0
";

/// What calls do while Redis does not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum OnFailure {
    /// Each replica counts by itself.
    #[default]
    Local,
    /// They are refused.
    Reject,
    /// They go on uncounted.
    Allow,
}

/// Which Redis, and what happens without it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RedisConfig {
    /// `redis://` or `rediss://`, which may hold a password.
    pub(crate) url: Secret,
    pub(crate) on_failure: OnFailure,
}

/// The counts of several replicas.
pub(crate) struct Shared {
    link: Link,
    script: Script,
    on_failure: OnFailure,
    local: Local,
    settlements: mpsc::Sender<Settlement>,
}

/// A change of a count that is known to hold a reservation.
#[derive(Debug)]
struct Settlement {
    count: String,
    change: i64,
    ends_unix_s: i64,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Shared").field("on_failure", &self.on_failure).finish_non_exhaustive()
    }
}

impl Shared {
    /// Connects when it is first needed. Must be called where a runtime is.
    pub(super) fn open(config: &RedisConfig) -> Result<Self, String> {
        let link = Link::open(&config.url)?;
        let (settlements, waiting) = mpsc::channel(SETTLEMENTS_MAX);
        tokio::spawn(settle_all(link.connection(), waiting));
        Ok(Self {
            link,
            script: Script::new(RESERVE),
            on_failure: config.on_failure,
            local: Local::default(),
            settlements,
        })
    }

    pub(super) async fn reserve(&self, claims: &[Claim], now_unix_s: i64) -> Result<Vec<u64>, Refused> {
        match self.link.ask(async |connection| self.ask(claims, connection).await).await {
            Ok(answer) => return read(&answer),
            Err(Down::Unasked) => {}
            Err(Down::Failed(error)) => {
                tracing::warn!(error, on_failure = ?self.on_failure, "Redis does not count quotas");
            }
        }
        match self.on_failure {
            OnFailure::Local => self.local.reserve(claims, now_unix_s),
            OnFailure::Allow => Ok(claims.iter().map(|it| it.amount).collect()),
            OnFailure::Reject => Err(Refused::Down(
                "the store that counts this gateway's quotas does not answer; try again in a moment".to_owned(),
            )),
        }
    }

    async fn ask(&self, claims: &[Claim], connection: &mut ConnectionManager) -> Result<Vec<i64>, RedisError> {
        let mut call = self.script.prepare_invoke();
        for claim in claims {
            call.key(name(&claim.count));
            call.arg(claim.amount);
            call.arg(claim.limit.map_or(-1, |it| i64::try_from(it).unwrap_or(i64::MAX)));
            call.arg(claim.ends_unix_s + GRACE_S);
        }
        call.invoke_async(connection).await
    }

    pub(super) async fn raise(&self, claims: &[Claim], now_unix_s: i64) {
        self.local.raise(claims, now_unix_s);
        let script = Script::new(RAISE);
        let mut call = script.prepare_invoke();
        for claim in claims {
            call.key(name(&claim.count));
            call.arg(claim.amount);
            call.arg(claim.ends_unix_s + GRACE_S);
        }
        let outcome: Result<i64, RedisError> = call.invoke_async(&mut self.link.connection()).await;
        if let Err(error) = outcome {
            tracing::warn!(error = %said(&error), "Redis does not take what was spent before; it is told again later");
        }
    }

    pub(super) fn settle(&self, changes: Vec<(Claim, u64)>) {
        // Where the reservation stands is not known; a local count that does not have it takes no notice.
        self.local.settle(&changes);
        for (claim, took) in changes {
            let change = i64::try_from(took).unwrap_or(i64::MAX) - i64::try_from(claim.amount).unwrap_or(i64::MAX);
            let settlement = Settlement { count: name(&claim.count), change, ends_unix_s: claim.ends_unix_s + GRACE_S };
            if self.settlements.try_send(settlement).is_err() {
                tracing::warn!("a quota keeps what was reserved of it: Redis takes settlements too slowly");
            }
        }
    }
}

/// Sends settlements, many at once. One that does not arrive leaves what was reserved, so that a quota errs on its own side.
async fn settle_all(mut connection: ConnectionManager, mut waiting: mpsc::Receiver<Settlement>) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while waiting.recv_many(&mut batch, BATCH_MAX).await > 0 {
        let mut pipeline = Pipeline::with_capacity(2 * batch.len());
        for it in batch.drain(..) {
            pipeline.incr(&it.count, it.change).ignore().expire_at(&it.count, it.ends_unix_s).ignore();
        }
        if let Err(error) = pipeline.exec_async(&mut connection).await {
            tracing::warn!(error = %said(&error), "quotas keep what was reserved of them: Redis took no settlement");
        }
    }
}

fn name(count: &str) -> String {
    format!("{PREFIX}{count}")
}

fn read(answer: &[i64]) -> Result<Vec<u64>, Refused> {
    let count = |it: &i64| u64::try_from(*it).unwrap_or(0);
    match answer {
        [0, counts @ ..] => Ok(counts.iter().map(count).collect()),
        [place, used] => Err(Refused::Full { claim: usize::try_from(place - 1).unwrap_or(0), used: count(used) }),
        _ => Err(Refused::Down(
            "the store that counts this gateway's quotas gave an answer in no known shape".to_owned(),
        )),
    }
}
