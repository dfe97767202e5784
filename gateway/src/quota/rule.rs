//! One quota: whose, of what, how much, in which window, and what happens at its end.

use std::time::Duration;

use llm::Error;
use serde_json::json;

use super::ledger::Stretch;
use super::sliding::Slide;
use super::{Alerts, Claim, Webhook, Window};
use crate::access::Identity;
use crate::cost::Usd;
use crate::limits::retry_after_s;

/// Whose calls count together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    All,
    Key,
    User,
    Team,
    Endpoint,
}

impl Scope {
    pub(crate) const ALL: [(&'static str, Self); 5] = [
        ("all", Self::All),
        ("key", Self::Key),
        ("user", Self::User),
        ("team", Self::Team),
        ("endpoint", Self::Endpoint),
    ];

    pub(super) fn word(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, it)| *it == self).map_or("all", |(word, _)| word)
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    Requests,
    /// Input and output together.
    Tokens,
    /// Nanodollars.
    Usd,
    /// Calls under way.
    Concurrent,
}

/// When a caller may ask again whether a call of theirs has ended: nobody knows when one will.
const UNDER_WAY_WAIT: Duration = Duration::from_secs(1);

impl Measure {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::Usd => "usd",
            Self::Concurrent => "concurrent",
        }
    }

    /// An amount as people read it.
    fn show(self, amount: u64) -> String {
        match self {
            Self::Usd => format!("{} USD", Usd::from_nanos(amount)),
            Self::Requests | Self::Tokens | Self::Concurrent => format!("{amount} {}", self.word()),
        }
    }
}

/// What happens once there is no more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Action {
    /// Calls are refused until the window ends.
    #[default]
    Reject,
    /// Calls go on, and the log says so.
    Alert,
}

impl Action {
    fn word(self) -> &'static str {
        match self {
            Self::Reject => "reject",
            Self::Alert => "alert",
        }
    }
}

/// For how long what is taken counts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Term {
    /// In a window of the calendar, which stands beside its words.
    Calendar(Window, String),
    /// In the last stretch of a window's length.
    Sliding(Window, String),
    /// While the call is under way.
    UnderWay,
}

/// A quota.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rule {
    pub(crate) scope: Scope,
    /// The keys, users, teams or endpoints that it is for; each of them where there are none.
    pub(crate) only: Vec<String>,
    pub(crate) measure: Measure,
    pub(crate) amount: u64,
    pub(crate) term: Term,
    pub(crate) action: Action,
    /// Who is told when it is used up.
    pub(crate) webhook: Option<Webhook>,
}

impl Rule {
    /// Whose count a call adds to, where the quota concerns it.
    pub(super) fn subject<'a>(&self, who: Option<&'a Identity>, served: &'a str) -> Option<&'a str> {
        let subject = match self.scope {
            Scope::All => "",
            Scope::Endpoint => served,
            Scope::Key => who?.key.as_str(),
            Scope::User => who?.user.as_deref()?,
            Scope::Team => who?.team.as_deref()?,
        };
        (self.only.is_empty() || self.only.iter().any(|it| it == subject)).then_some(subject)
    }

    /// What a call wants of the quota.
    pub(super) fn claim(&self, subject: &str, amount: u64, now_unix_s: i64) -> Claim {
        let (measure, scope) = (self.measure.word(), self.scope.word());
        let (count, ends_unix_s, stretch) = match &self.term {
            Term::Calendar(window, words) => {
                let span = window.at(now_unix_s);
                (format!("{measure}:{words}:{}:{scope}:{subject}", span.start), span.end, Stretch::Calendar)
            }
            Term::Sliding(window, words) => {
                let slide = Slide::at(window.length_s(), now_unix_s);
                let ends = slide.frees(slide.current);
                (format!("{measure}:last {words}:{scope}:{subject}"), ends, Stretch::Sliding(slide))
            }
            Term::UnderWay => (format!("{measure}:{scope}:{subject}"), i64::MAX, Stretch::UnderWay(rand::random())),
        };
        let limit = (self.action == Action::Reject).then_some(self.amount);
        Claim { measure: self.measure, count, amount, limit, ends_unix_s, stretch }
    }

    /// Why a call is refused.
    pub(super) fn refusal(&self, subject: &str, claim: &Claim, used: u64, wait_s: i64) -> Error {
        let whose = match self.scope {
            Scope::All => "everybody together".to_owned(),
            scope => format!("{} `{subject}`", scope.word()),
        };
        let words = match &self.term {
            Term::Calendar(_, words) | Term::Sliding(_, words) => words,
            Term::UnderWay => {
                return Error::Limited {
                    message: format!(
                        "Rate limit exceeded: {} calls at once for {whose}, of which {used} are under way; try again when \
                         one of them has ended",
                        self.amount
                    ),
                    retry_after: Some(UNDER_WAY_WAIT),
                };
            }
        };
        let wait = Duration::from_secs(u64::try_from(wait_s).unwrap_or(0));
        let what = if self.measure == Measure::Usd { "Budget" } else { "Rate limit" };
        Error::Limited {
            message: format!(
                "{what} exceeded: {} per {} for {whose}, of which {} are used or reserved and this call may need {}; \
                 try again in {} s",
                self.measure.show(self.amount),
                words,
                self.measure.show(used),
                self.measure.show(claim.amount),
                retry_after_s(wait)
            ),
            retry_after: Some(wait),
        }
    }

    /// Tells, once in a window, of a budget that is used up: by a call that was refused for it, or by one that goes on.
    pub(super) fn tell(
        &self,
        subject: &str,
        claim: &Claim,
        used: u64,
        is_refused: bool,
        alerts: &Alerts,
        now_unix_s: i64,
    ) {
        let Term::Calendar(_, window) = &self.term else { return };
        let is_passed = match self.action {
            Action::Alert => used > self.amount,
            Action::Reject => is_refused && used.saturating_add(claim.amount) > self.amount,
        };
        if !is_passed {
            return;
        }
        let (amount, action) = (Usd::from_nanos(self.amount), self.action.word());
        let what = format!("{} {action} {amount}", claim.count);
        if !alerts.is_new(what, claim.ends_unix_s, now_unix_s) {
            return;
        }
        tracing::warn!(quota = claim.count, amount = %amount, used = self.measure.show(used), action, "a budget is used up");
        if let Some(webhook) = &self.webhook {
            let budget = json!({
                "per": self.scope.word(),
                "subject": subject,
                "usd": amount.to_string(),
                "window": window,
                "action": action,
            });
            let timestamp = u64::try_from(now_unix_s).unwrap_or(0);
            alerts.send(webhook.notice(claim, budget, Usd::from_nanos(used).to_string(), timestamp));
        }
    }
}
