//! What of a call is kept: whether its record is, and how much of what was asked and answered.
//!
//! It is decided and done before a record leaves this crate. What calls count for (quotas, budgets, metrics, costs) is
//! no record, and stays exact.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::redaction::Redaction;
use crate::metering::{Call, Outcome};

/// Characters of a text that a preview keeps.
const PREVIEW_CHARS: usize = 200;
/// Bytes of a preview as a whole, and of a body in the log. Longer ones are cut.
const SHORT_BYTES_MAX: usize = 64 << 10;
/// The bits of a trace's id that are random in any case, which samplers of OpenTelemetry compare.
const RANDOM_BITS: u32 = 56;

/// How much of a body is kept, the least first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Bodies {
    /// Nothing of it.
    None,
    /// Its structure, and the beginning of each text.
    Preview,
    #[default]
    Full,
}

impl Bodies {
    pub(crate) const NAMED: [(&str, Self); 3] =
        [("none", Self::None), ("preview", Self::Preview), ("full", Self::Full)];
}

/// One `record` of a configuration, where each key may be left to another.
#[derive(Clone, Debug, Default)]
pub(crate) struct RecordConfig {
    pub(crate) sample: Option<Sample>,
    pub(crate) keep_errors: Option<bool>,
    pub(crate) slower_than: Option<Duration>,
    pub(crate) bodies: Option<Bodies>,
    pub(crate) log_bodies: Option<Bodies>,
    pub(crate) redaction: Option<Arc<Redaction>>,
}

/// Which part of all traces is kept: those whose random bits are below this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample(u64);

impl Sample {
    const ALL: Self = Self(1 << RANDOM_BITS);

    /// Of a part from 0 to 1, written in decimals; `None` of anything else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let part: f64 = text.parse().ok()?;
        if !(0.0..=1.0).contains(&part) {
            return None;
        }
        // Millionths are finer than anybody samples.
        let millionths = format!("{:.0}", part * 1e6).parse::<u64>().ok()?;
        Some(Self((Self::ALL.0 / 1_000_000).saturating_mul(millionths)).at_most_all(millionths))
    }

    fn at_most_all(self, millionths: u64) -> Self {
        if millionths == 1_000_000 { Self::ALL } else { self }
    }

    /// Whether a trace is one of them: the same answer wherever and whenever it is asked.
    fn has(self, trace_id: &[u8; 16]) -> bool {
        let random = trace_id[9..].iter().fold(0_u64, |bits, it| bits << 8 | u64::from(*it));
        random < self.0
    }
}

/// What of an endpoint's or a route's calls is kept.
#[derive(Clone, Debug)]
pub(crate) struct RecordPolicy {
    sample: Sample,
    keep_errors: bool,
    slower_than: Option<Duration>,
    bodies: Bodies,
    log_bodies: Bodies,
    redactions: Vec<Arc<Redaction>>,
}

impl RecordPolicy {
    /// What an endpoint says, before what is said of all.
    pub(crate) fn of_endpoint(own: &RecordConfig, all: &RecordConfig) -> Self {
        Self {
            sample: own.sample.or(all.sample).unwrap_or(Sample::ALL),
            keep_errors: own.keep_errors.or(all.keep_errors).unwrap_or(true),
            slower_than: own.slower_than.or(all.slower_than),
            bodies: own.bodies.or(all.bodies).unwrap_or_default(),
            log_bodies: own.log_bodies.or(all.log_bodies).unwrap_or(Bodies::None),
            redactions: all.redaction.iter().chain(&own.redaction).cloned().collect(),
        }
    }

    /// What a route says, before what is said of all. Which of its endpoints answers is not known before, so that no
    /// more of a body is kept than all of them allow, and nothing that one of them redacts.
    pub(crate) fn of_route<'p>(
        own: &RecordConfig,
        all: &RecordConfig,
        destinations: impl Iterator<Item = &'p Self>,
    ) -> Self {
        let mut policy = Self::of_endpoint(own, all);
        for destination in destinations {
            policy.bodies = policy.bodies.min(destination.bodies);
            policy.log_bodies = policy.log_bodies.min(own.log_bodies.unwrap_or(destination.log_bodies));
            for redaction in &destination.redactions {
                if policy.redactions.iter().all(|it| !Arc::ptr_eq(it, redaction)) {
                    policy.redactions.push(Arc::clone(redaction));
                }
            }
        }
        policy
    }

    /// Whether a call is kept however it ends: by the caller's trace, so that all of it is there, or by its own id.
    pub(crate) fn samples(&self, trace_id: Option<&[u8; 16]>, call_id: &str) -> bool {
        if self.sample == Sample::ALL {
            return true;
        }
        let Some(id) = trace_id else {
            let hash = Sha256::digest(call_id);
            return self.sample.has(hash.first_chunk().expect("a hash has 32 bytes"));
        };
        self.sample.has(id)
    }

    /// Whether something of what is asked and answered may be kept, as long as nobody knows how the call ends.
    pub(crate) fn may_keep_content(&self, is_sampled: bool) -> bool {
        let is_any = self.bodies.max(self.log_bodies) > Bodies::None;
        is_any && (is_sampled || self.keep_errors || self.slower_than.is_some())
    }

    pub(crate) fn logs_bodies(&self) -> bool {
        self.log_bodies > Bodies::None
    }

    /// Whether a call that has ended is kept.
    pub(crate) fn keeps(&self, is_sampled: bool, call: &Call) -> bool {
        let has_failed = matches!(call.outcome, Outcome::Failed { .. });
        is_sampled || (self.keep_errors && has_failed) || self.slower_than.is_some_and(|it| call.duration > it)
    }

    /// Makes of a call what may be seen of it. Gives what the log tells of its bodies.
    pub(crate) fn apply(&self, call: &mut Call, is_kept: bool) -> Logged {
        let mut logged = Logged::default();
        if is_kept {
            (call.request, logged.request) = self.body(std::mem::take(&mut call.request));
            let response = call.response.take().map(|it| self.body(it));
            if let Some((kept, log)) = response {
                call.response = Some(kept).filter(|it| !it.is_empty());
                logged.response = log;
            }
        }
        if !self.redactions.is_empty() {
            let attempts = call.attempts.iter_mut().map(|it| &mut it.outcome);
            for outcome in attempts.chain([&mut call.outcome]) {
                if let Outcome::Failed { message, .. } = outcome {
                    self.redactions.iter().for_each(|it| it.text(message));
                }
            }
        }
        logged
    }

    /// What is recorded of a body, and what is logged.
    fn body(&self, body: Bytes) -> (Bytes, Option<String>) {
        let is_plain = self.redactions.is_empty() && self.bodies == Bodies::Full && !self.logs_bodies();
        if body.is_empty() || is_plain {
            return (body, None);
        }
        if self.bodies.max(self.log_bodies) == Bodies::None {
            return (Bytes::new(), None);
        }
        let redacted = Redaction::all(&self.redactions, &body);
        let recorded = match self.bodies {
            Bodies::None => Bytes::new(),
            Bodies::Preview => short(preview(redacted.clone()).to_string()).into(),
            Bodies::Full if self.redactions.is_empty() => body,
            Bodies::Full => redacted.to_string().into(),
        };
        let logged = match self.log_bodies {
            Bodies::None => None,
            Bodies::Preview => Some(short(preview(redacted).to_string())),
            Bodies::Full => Some(short(redacted.to_string())),
        };
        (recorded, logged)
    }
}

/// The bodies of a call as the log has them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Logged {
    pub(crate) request: Option<String>,
    pub(crate) response: Option<String>,
}

/// A value whose long texts are cut.
fn preview(mut value: Value) -> Value {
    match &mut value {
        Value::String(text) => {
            if let Some((end, _)) = text.char_indices().nth(PREVIEW_CHARS) {
                let more = text[end..].chars().count();
                text.truncate(end);
                let _ = write!(text, "… ({more} more characters)");
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|it| *it = preview(it.take())),
        Value::Object(fields) => fields.values_mut().for_each(|it| *it = preview(it.take())),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    value
}

/// JSON that is not too long, or an object with its beginning.
fn short(json: String) -> String {
    if json.len() <= SHORT_BYTES_MAX {
        return json;
    }
    let head = json.floor_char_boundary(SHORT_BYTES_MAX / 2);
    json!({"truncated": true, "bytes": json.len(), "head": &json[..head]}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_a_part_of_all_ids_and_the_same_everywhere() {
        for wrong in ["", "-0.1", "1.1", "half", "NaN"] {
            assert_eq!(Sample::parse(wrong), None, "{wrong}");
        }
        let ids: Vec<String> = (0..10_000).map(|it| format!("call-{it}")).collect();
        let kept = |part: &str| -> Vec<&String> {
            let config = RecordConfig { sample: Sample::parse(part), ..RecordConfig::default() };
            let policy = RecordPolicy::of_endpoint(&config, &RecordConfig::default());
            ids.iter().filter(|it| policy.samples(None, it)).collect()
        };
        let (none, tenth, half, all) = (kept("0"), kept("0.1"), kept("0.5"), kept("1"));
        assert_eq!((none.len(), all.len()), (0, 10_000));
        assert!((850..1150).contains(&tenth.len()), "{}", tenth.len());
        // Who is in a small sample is in each larger one.
        assert!(tenth.iter().all(|it| half.contains(it)));
        assert_eq!(kept("0.1"), tenth);
        // The last seven bytes of a trace's id decide, as OpenTelemetry has it.
        let has = |first: u8, ninth: u8| {
            let mut id = [first; 16];
            id[9] = ninth;
            Sample::parse("0.5").unwrap().has(&id)
        };
        assert!(has(255, 0) && has(0, 127) && !has(0, 128) && !has(0, 255));
    }

    #[test]
    fn an_endpoint_speaks_before_all_and_a_route_is_as_strict_as_its_endpoints() {
        let all = RecordConfig {
            sample: Sample::parse("0"),
            bodies: Some(Bodies::Preview),
            redaction: Some(Arc::default()),
            ..RecordConfig::default()
        };
        let own = RecordConfig {
            sample: Sample::parse("1"),
            bodies: Some(Bodies::Full),
            redaction: Some(Arc::default()),
            ..RecordConfig::default()
        };
        let endpoint = RecordPolicy::of_endpoint(&own, &all);
        assert_eq!((endpoint.sample, endpoint.bodies, endpoint.redactions.len()), (Sample::ALL, Bodies::Full, 2));
        let none = RecordConfig { bodies: Some(Bodies::None), ..RecordConfig::default() };
        let strict = RecordPolicy::of_endpoint(&none, &all);
        let route = RecordPolicy::of_route(&own, &all, [&endpoint, &strict].into_iter());
        assert_eq!((route.sample, route.bodies, route.redactions.len()), (Sample::ALL, Bodies::None, 2));
    }

    #[test]
    fn previews_keep_the_structure() {
        let long = "ä".repeat(PREVIEW_CHARS + 3);
        let value = preview(json!({"messages": [{"role": "user", "content": long}], "n": 1}));
        let cut = format!("{}… (3 more characters)", "ä".repeat(PREVIEW_CHARS));
        assert_eq!(value, json!({"messages": [{"role": "user", "content": cut}], "n": 1}));
        let many = short(json!(vec!["some text"; 10_000]).to_string());
        let read: Value = serde_json::from_str(&many).unwrap();
        assert!(many.len() < SHORT_BYTES_MAX && read["truncated"] == true && read["bytes"] == 120_001);
    }
}
