//! Counts in a Redis that replicas share: a reservation is one script, so that all replicas hold one quota exactly.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use redis::aio::ConnectionManager;
use redis::{Pipeline, RedisError, Script};
use tokio::sync::mpsc;

use super::ledger::{Claim, Refused, Stretch};
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

/// Checks all counts, then adds to all of them. KEYS: the counts. ARGV: for each count
/// 1. what it is: `calendar`, a number; `sliding`, a hash of amounts by slot; `under way`, a sorted set of calls by the
///    second at which nobody believes any more that they live,
/// 2. the amount, 3. the limit, -1 where there is none, 4. when it may be forgotten, in seconds since 1970,
/// 5. the slot of the moment, or that second of the call, 6. the first slot that counts, or now, 7. the call.
///
/// Gives 0 and the counts, or the place of the full one, its count, and the slot after which there is room.
const RESERVE: &str = r"
local function arg(place, number) return ARGV[7 * (place - 1) + number] end
local function number(place, number) return tonumber(arg(place, number)) end
local function slots(place)
  local amounts, sum, all = {}, 0, redis.call('HGETALL', KEYS[place])
  for i = 1, #all, 2 do
    local slot = tonumber(all[i])
    if slot < number(place, 6) then
      redis.call('HDEL', KEYS[place], all[i])
    else
      amounts[slot] = tonumber(all[i + 1])
      sum = sum + amounts[slot]
    end
  end
  return amounts, math.max(sum, 0)
end
local used = {}
for place = 1, #KEYS do
  local kind, amounts = arg(place, 1), {}
  if kind == 'sliding' then
    amounts, used[place] = slots(place)
  elseif kind == 'under way' then
    redis.call('ZREMRANGEBYSCORE', KEYS[place], '-inf', arg(place, 6))
    used[place] = redis.call('ZCARD', KEYS[place])
  else
    used[place] = tonumber(redis.call('GET', KEYS[place]) or '0')
  end
  local limit, wanted = number(place, 3), used[place] + number(place, 2)
  if limit >= 0 and wanted > limit then
    local slot = -1
    if kind == 'sliding' then
      slot = number(place, 6)
      while slot < number(place, 5) do
        wanted = wanted - (amounts[slot] or 0)
        if wanted <= limit then break end
        slot = slot + 1
      end
    end
    return {place, used[place], slot}
  end
end
local counts = {0}
for place = 1, #KEYS do
  local kind = arg(place, 1)
  if kind == 'sliding' then
    redis.call('HINCRBY', KEYS[place], arg(place, 5), arg(place, 2))
  elseif kind == 'under way' then
    redis.call('ZADD', KEYS[place], arg(place, 5), arg(place, 7))
  else
    redis.call('INCRBY', KEYS[place], arg(place, 2))
  end
  redis.call('EXPIREAT', KEYS[place], arg(place, 4))
  counts[place + 1] = used[place] + number(place, 2)
end
return counts
";

/// How long a call counts as under way whose gateway does not say that it still is: one that died holds its callers'
/// places no longer.
const LEASE_S: i64 = 60;
/// How often a gateway says so.
const RENEWAL: Duration = Duration::from_secs(20);

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
    /// The calls under way that Redis knows of, and the count that each is in.
    leases: Arc<Mutex<HashMap<u64, String>>>,
}

/// A change of a count that is known to hold a reservation.
#[derive(Debug)]
enum Settlement {
    Calendar { count: String, change: i64, ends_unix_s: i64 },
    Sliding { count: String, change: i64, slot: i64, ends_unix_s: i64 },
    Ended { count: String, call: u64 },
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
        let leases = Arc::default();
        tokio::spawn(renew_all(link.connection(), Arc::downgrade(&leases)));
        Ok(Self {
            link,
            script: Script::new(RESERVE),
            on_failure: config.on_failure,
            local: Local::default(),
            settlements,
            leases,
        })
    }

    pub(super) async fn reserve(&self, claims: &[Claim], now_unix_s: i64) -> Result<Vec<u64>, Refused> {
        match self.link.ask(async |connection| self.ask(claims, now_unix_s, connection).await).await {
            Ok(answer) => {
                let counts = read(&answer, claims)?;
                self.note(claims);
                return Ok(counts);
            }
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

    async fn ask(
        &self,
        claims: &[Claim],
        now_unix_s: i64,
        connection: &mut ConnectionManager,
    ) -> Result<Vec<i64>, RedisError> {
        let mut call = self.script.prepare_invoke();
        for claim in claims {
            let lease_ends = now_unix_s + LEASE_S;
            let (kind, ends, one, two, id) = match claim.stretch {
                Stretch::Calendar => ("calendar", claim.ends_unix_s, 0, 0, 0),
                Stretch::Sliding(slide) => ("sliding", claim.ends_unix_s, slide.current, slide.oldest(), 0),
                Stretch::UnderWay(id) => ("under way", lease_ends, lease_ends, now_unix_s, id),
            };
            call.key(name(&claim.count)).arg(kind).arg(claim.amount);
            call.arg(claim.limit.map_or(-1, |it| i64::try_from(it).unwrap_or(i64::MAX)));
            call.arg(ends + GRACE_S).arg(one).arg(two).arg(id);
        }
        call.invoke_async(connection).await
    }

    /// Takes note of the claims that must be renewed.
    fn note(&self, claims: &[Claim]) {
        for claim in claims {
            if let Stretch::UnderWay(call) = claim.stretch {
                let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
                leases.insert(call, name(&claim.count));
            }
        }
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
        for (claim, took) in changes {
            let change = i64::try_from(took).unwrap_or(i64::MAX) - i64::try_from(claim.amount).unwrap_or(i64::MAX);
            let (count, ends_unix_s) = (name(&claim.count), claim.ends_unix_s.saturating_add(GRACE_S));
            let settlement = match claim.stretch {
                Stretch::UnderWay(call) => {
                    let lease = self.leases.lock().unwrap_or_else(PoisonError::into_inner).remove(&call);
                    if lease.is_none() {
                        // It was let in while Redis did not answer.
                        self.local.settle(&[(claim, took)]);
                        continue;
                    }
                    Settlement::Ended { count, call }
                }
                Stretch::Calendar => Settlement::Calendar { count, change, ends_unix_s },
                Stretch::Sliding(slide) => {
                    // Later reservations may be in other slots of the same count, which lives as long as they do.
                    let now = i64::try_from(llm::unix_seconds()).unwrap_or(i64::MAX);
                    let ends_unix_s = ends_unix_s.max(slide.later(now) + GRACE_S);
                    Settlement::Sliding { count, change, slot: slide.current, ends_unix_s }
                }
            };
            // Where the reservation stands is not known; a local count that does not have it takes no notice.
            if !matches!(claim.stretch, Stretch::UnderWay(_)) {
                self.local.settle(&[(claim, took)]);
            }
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
            match it {
                Settlement::Calendar { count, change, ends_unix_s } => {
                    pipeline.incr(&count, change).ignore().expire_at(&count, ends_unix_s).ignore();
                }
                Settlement::Sliding { count, change, slot, ends_unix_s } => {
                    pipeline.hincr(&count, slot, change).ignore().expire_at(&count, ends_unix_s).ignore();
                }
                Settlement::Ended { count, call } => {
                    pipeline.zrem(&count, call).ignore();
                }
            }
        }
        if let Err(error) = pipeline.exec_async(&mut connection).await {
            tracing::warn!(error = %said(&error), "quotas keep what was reserved of them: Redis took no settlement");
        }
    }
}

/// Says of the calls under way that they still are, as long as anybody counts them.
async fn renew_all(mut connection: ConnectionManager, leases: Weak<Mutex<HashMap<u64, String>>>) {
    loop {
        tokio::time::sleep(RENEWAL).await;
        let Some(leases) = leases.upgrade() else { return };
        let held: Vec<(u64, String)> = {
            let leases = leases.lock().unwrap_or_else(PoisonError::into_inner);
            leases.iter().map(|(call, count)| (*call, count.clone())).collect()
        };
        let ends = i64::try_from(llm::unix_seconds()).unwrap_or(i64::MAX).saturating_add(LEASE_S);
        for held in held.chunks(BATCH_MAX) {
            let mut pipeline = Pipeline::with_capacity(2 * held.len());
            for (call, count) in held {
                // Only what is there: a call that has just ended must not come back.
                pipeline.cmd("ZADD").arg(count).arg("XX").arg(ends).arg(call).ignore();
                pipeline.expire_at(count, ends + GRACE_S).ignore();
            }
            if let Err(error) = pipeline.exec_async(&mut connection).await {
                tracing::warn!(error = %said(&error), "Redis does not hear that calls are still under way");
                break;
            }
        }
    }
}

fn name(count: &str) -> String {
    format!("{PREFIX}{count}")
}

fn read(answer: &[i64], claims: &[Claim]) -> Result<Vec<u64>, Refused> {
    let count = |it: &i64| u64::try_from(*it).unwrap_or(0);
    let index = |place: i64| usize::try_from(place - 1).unwrap_or(usize::MAX);
    match answer {
        [0, counts @ ..] => Ok(counts.iter().map(count).collect()),
        [place, used, slot] if *place > 0 && claims.get(index(*place)).is_some() => {
            let claim = &claims[index(*place)];
            let frees_unix_s = match claim.stretch {
                Stretch::Sliding(slide) => slide.frees(*slot),
                Stretch::Calendar | Stretch::UnderWay(_) => claim.ends_unix_s,
            };
            Err(Refused::Full { claim: index(*place), used: count(used), frees_unix_s })
        }
        _ => Err(Refused::Down(
            "the store that counts this gateway's quotas gave an answer in no known shape".to_owned(),
        )),
    }
}
