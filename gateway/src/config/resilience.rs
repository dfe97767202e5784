//! `retries`, `fallbacks`, `hedge`, `concurrency`, `breaker` and `routing_strategy`.

use std::path::Path;
use std::time::Duration;

use super::settings::suggest;
use super::tree::{Place, Table};
use super::{EndpointConfig, RouteConfig};
use crate::ConfigError;
use crate::dispatch::{Failure, Failures, FallbackConfig, GateConfig, HedgeConfig, PolicyConfig, Retries, Usual};
use crate::health::BreakerConfig;
use crate::routing::{StickyBy, Strategy};

/// Attempts after the first one at most; more only keeps callers waiting.
const RETRIES_MAX: u32 = 10;
/// Of a hundred attempts that a slow provider gets, this many more are no danger to it.
const HEDGED_PERCENT: u32 = 10;
/// Answers that tell what is usual: with fewer, the slowest of twenty is chance.
const SAMPLES_MIN: u32 = 100;
/// Answers that may be asked for; half of those that are remembered.
const SAMPLES_LIMIT: u32 = 500;
/// A provider across the world is no slower than usual before this.
const HEDGE_AFTER_MIN: Duration = Duration::from_millis(50);

/// What an endpoint or a route does when an answer does not come. The names of fallbacks are checked by
/// [`check_fallbacks`], once all names are known.
pub(super) fn policy(table: &mut Table<'_>) -> Result<PolicyConfig, ConfigError> {
    let retries = table.take("retries").map(|it| retries(&it)).transpose()?.unwrap_or_default();
    let fallbacks = match table.take("fallbacks") {
        Some(list) => list.list()?.iter().map(fallback).collect::<Result<_, _>>()?,
        None => Vec::new(),
    };
    let hedge = table.take("hedge").map(|it| hedge(&it)).transpose()?;
    Ok(PolicyConfig { retries, fallbacks, hedge })
}

fn retries(place: &Place<'_>) -> Result<Retries, ConfigError> {
    let mut table = place.table()?;
    let mut retries = Retries::default();
    let max = table.need("max", "max: 2")?;
    retries.max = max.count(0)?;
    if retries.max > RETRIES_MAX {
        return Err(max.error(format!("must be at most {RETRIES_MAX}, but is `{}`", retries.max)));
    }
    if let Some(on) = table.take("on") {
        retries.on = failures(&on)?;
    }
    for (key, slot) in [("base_ms", &mut retries.base), ("max_ms", &mut retries.wait_max)] {
        if let Some(place) = table.take(key) {
            *slot = millis(&place)?;
        }
    }
    table.finish(&["max", "on", "base_ms", "max_ms"])?;
    Ok(retries)
}

fn fallback(place: &Place<'_>) -> Result<FallbackConfig, ConfigError> {
    let mut table = place.table()?;
    let name = table.need("name", "name: the name of another endpoint or route")?;
    let on = table.take("on").map(|it| failures(&it)).transpose()?.unwrap_or(Failures::PASSING);
    table.finish(&["name", "on"])?;
    Ok(FallbackConfig { name: name.text()?.to_owned(), on, line: name.line(), key: name.key().to_owned() })
}

/// `rate_limit`, or a list of such words.
fn failures(place: &Place<'_>) -> Result<Failures, ConfigError> {
    let words = match place.list() {
        Ok(list) => list,
        Err(_) => vec![place.clone()],
    };
    if words.is_empty() {
        return Err(place.error("is empty; name at least one kind of failure, or leave the key out"));
    }
    words.iter().try_fold(Failures::NONE, |all, word| {
        let text = word.text()?;
        if text == "any" {
            return Ok(Failures::ANY);
        }
        let known = Failure::NAMED.iter().find(|(name, _)| *name == text);
        let Some((_, failure)) = known else {
            let names = || Failure::NAMED.iter().map(|(name, _)| *name).chain(["any"]);
            let hint = suggest(text, names());
            let all = names().collect::<Vec<_>>().join(", ");
            return Err(word.error(format!("`{text}` is no kind of failure{hint}; the kinds are {all}")));
        };
        Ok(all.with(*failure))
    })
}

fn hedge(place: &Place<'_>) -> Result<HedgeConfig, ConfigError> {
    let mut table = place.table()?;
    let after = table.take("after_ms").map(|it| millis(&it)).transpose()?;
    let percent_max = table.take("max_percent").map(|it| percent(&it)).transpose()?.unwrap_or(HEDGED_PERCENT);
    let percentile = table.take("after").map(|it| percentile(&it)).transpose()?;
    let samples_min = table.take("min_samples");
    let (min, max) = (table.take("min_ms"), table.take("max_ms"));
    table.finish(&["after_ms", "after", "min_samples", "min_ms", "max_ms", "max_percent"])?;
    let Some(percent) = percentile else {
        if let Some(place) = samples_min.or(min).or(max) {
            return Err(place.error("says something of `after: p95`, which is not there; add that, or leave this out"));
        }
        if after.is_none() {
            return Err(place.error("does not say when; write `after: p95`, `after_ms: 2000`, or both"));
        }
        return Ok(HedgeConfig { after, usual: None, percent_max });
    };
    let samples_min = match samples_min {
        None => SAMPLES_MIN,
        Some(place) => match place.count(10)? {
            count if count <= SAMPLES_LIMIT => count,
            _ => return Err(place.error(format!("must be at most {SAMPLES_LIMIT}: older answers are forgotten"))),
        },
    };
    let min_ms = min.as_ref().map(millis).transpose()?.unwrap_or(HEDGE_AFTER_MIN);
    let max_ms = max.as_ref().map(millis).transpose()?.unwrap_or(Duration::MAX);
    if let Some(place) = max.or(min).filter(|_| min_ms > max_ms) {
        return Err(place.error("leaves no wait between `min_ms` and `max_ms`; make `max_ms` the longer one"));
    }
    Ok(HedgeConfig { after, usual: Some(Usual { percent, samples_min, min: min_ms, max: max_ms }), percent_max })
}

/// `p95`: how many of a hundred answers come sooner.
fn percentile(place: &Place<'_>) -> Result<u32, ConfigError> {
    let percent = place.text()?.strip_prefix('p').and_then(|it| it.parse().ok());
    percent.filter(|it| (50..=99).contains(it)).ok_or_else(|| place.wrong("a percentile from p50 to p99, such as p95"))
}

fn percent(place: &Place<'_>) -> Result<u32, ConfigError> {
    let percent = place.count(1)?;
    if percent > 100 {
        return Err(place.error(format!("must be a percentage from 1 to 100, but is `{percent}`")));
    }
    Ok(percent)
}

/// How many calls of an endpoint run at once.
pub(super) fn concurrency(place: &Place<'_>) -> Result<GateConfig, ConfigError> {
    let mut table = place.table()?;
    let max = table.need("max", "max: 32")?.count(1)?;
    let queue = table.take("queue").map(|it| it.count(0)).transpose()?.unwrap_or(max);
    // Longer than most answers take; a caller who waits longer has better things to do.
    let wait = table.take("wait_ms").map(|it| millis(&it)).transpose()?.unwrap_or(Duration::from_secs(10));
    table.finish(&["max", "queue", "wait_ms"])?;
    Ok(GateConfig { max, queue, wait })
}

/// When an endpoint is left alone.
pub(super) fn breaker(place: &Place<'_>) -> Result<BreakerConfig, ConfigError> {
    let mut table = place.table()?;
    let mut breaker = BreakerConfig::default();
    if let Some(place) = table.take("failures") {
        breaker.failures = place.count(1)?;
    }
    for (key, slot) in [("window_ms", &mut breaker.window), ("rest_ms", &mut breaker.rest)] {
        if let Some(place) = table.take(key) {
            *slot = millis(&place)?;
        }
    }
    table.finish(&["failures", "window_ms", "rest_ms"])?;
    Ok(breaker)
}

/// How a route shares its calls.
pub(super) fn strategy(table: &mut Table<'_>) -> Result<Strategy, ConfigError> {
    let mut strategy = match table.take("routing_strategy") {
        None => Strategy::default(),
        Some(place) => {
            let text = place.text()?;
            Strategy::named(text).ok_or_else(|| {
                let hint = suggest(text, Strategy::NAMES.into_iter());
                let all = Strategy::NAMES.join(", ");
                place.error(format!("`{text}` is no strategy known here{hint}; the strategies are {all}"))
            })?
        }
    };
    if let Some(place) = table.take("sticky_by") {
        let Strategy::Sticky(by) = &mut strategy else {
            return Err(place.error("only `routing_strategy: STICKY` uses it; leave it out, or choose that strategy"));
        };
        *by = place.list()?.iter().map(sticky_by).collect::<Result<_, _>>()?;
    }
    Ok(strategy)
}

fn sticky_by(place: &Place<'_>) -> Result<StickyBy, ConfigError> {
    let text = place.text()?;
    let known = StickyBy::NAMED.iter().find(|(name, _)| *name == text);
    known.map(|(_, by)| *by).ok_or_else(|| {
        let all = StickyBy::NAMED.map(|(name, _)| name).join(", ");
        place.error(format!("`{text}` is nothing by which calls belong together; write {all}"))
    })
}

/// Checks that each fallback is an endpoint or route of this file, of the same type, and another one.
pub(super) fn check_fallbacks(
    file: &Path,
    endpoints: &[EndpointConfig],
    routes: &[RouteConfig],
) -> Result<(), ConfigError> {
    let endpoints = endpoints.iter().map(|it| (it.name.as_str(), it.kind, &it.policy));
    let all = endpoints.chain(routes.iter().map(|it| (it.name.as_str(), it.kind, &it.policy)));
    for (name, kind, policy) in all.clone() {
        for FallbackConfig { name: target, line, key, .. } in &policy.fallbacks {
            let message = match all.clone().find(|it| it.0 == target) {
                Some(_) if target == name => {
                    format!("`{target}` would fall back to itself; `retries` asks the same endpoint again")
                }
                Some((_, other, _)) if other != kind => format!(
                    "`{target}` is of type {other}, but `{name}` answers calls of type {kind}; name one of that type"
                ),
                Some(_) => continue,
                None => {
                    let hint = suggest(target, all.clone().map(|it| it.0));
                    format!("`{target}` is no endpoint or route of this file{hint}")
                }
            };
            return Err(ConfigError::Invalid { file: file.to_owned(), line: *line, key: key.clone(), message });
        }
    }
    Ok(())
}

fn millis(place: &Place<'_>) -> Result<Duration, ConfigError> {
    Ok(Duration::from_millis(u64::from(place.count(1)?)))
}
