//! Who may be asked for a call, in which order.

use std::sync::Arc;

use tokio::time::Instant;

use super::failure::{Failure, Refused};
use crate::request::Request;
use crate::routing;
use crate::served::{Endpoint, Served};

/// The endpoints that a name stands for, the first choice first.
pub(super) struct Candidates<'a> {
    list: Vec<&'a Arc<Endpoint>>,
    /// Which of them were asked, or cannot be, in this round.
    is_spent: Vec<bool>,
    /// Whether somebody already saw to it that the endpoint's limit lets the call in.
    is_admitted: bool,
    /// Whether there is anybody else to ask when one is not well.
    has_alternative: bool,
}

impl<'a> Candidates<'a> {
    /// `is_admitted`: whether the call has passed the limit of `served` itself.
    pub(super) fn of(served: &'a Served, request: &'a Request, is_admitted: bool) -> Self {
        let list: Vec<_> = match (&request.pinned, served) {
            (Some(endpoint), _) | (None, Served::Endpoint(endpoint)) => vec![endpoint],
            (None, Served::Route(route)) => {
                routing::order(route, request).into_iter().map(|index| &route.destinations[index]).collect()
            }
        };
        let has_alternative = list.len() > 1 || !served.fallbacks_of(request).is_empty();
        Self {
            is_spent: vec![false; list.len()],
            list,
            is_admitted: is_admitted && is_endpoint(served),
            has_alternative,
        }
    }

    /// Whether somebody was not asked yet.
    pub(super) fn has_more(&self) -> bool {
        self.is_spent.iter().any(|it| !it)
    }

    /// The next one to ask: the first that is well and whose limit lets the call in, else the first whose limit does.
    /// When all were asked, the round begins anew.
    pub(super) fn next(&mut self) -> Result<&'a Arc<Endpoint>, Refused> {
        if !self.has_more() {
            self.is_spent.fill(false);
        }
        let mut refused = None;
        if self.has_alternative {
            for index in 0..self.list.len() {
                let endpoint = self.list[index];
                if self.is_spent[index] || endpoint.health.is_unwell(Instant::now()) {
                    continue;
                }
                match self.admit(endpoint) {
                    Err(error) => {
                        self.is_spent[index] = true;
                        refused = Some(error);
                    }
                    // Another call may have become the probe in the meantime.
                    Ok(()) if endpoint.health.admits(Instant::now()) => {
                        self.is_spent[index] = true;
                        return Ok(endpoint);
                    }
                    Ok(()) => {}
                }
            }
        }
        // Nobody is known to be well: who is not may still answer, and is the last hope.
        for index in 0..self.list.len() {
            if std::mem::replace(&mut self.is_spent[index], true) {
                continue;
            }
            match self.admit(self.list[index]) {
                Ok(()) => return Ok(self.list[index]),
                Err(error) => refused = Some(error),
            }
        }
        Err(refused.unwrap_or_else(|| {
            Refused::here(llm::Error::Internal("a route has no destination that takes calls".to_owned()))
        }))
    }

    /// One more that is well, for an attempt beside another; none where nobody else is.
    pub(super) fn beside(&mut self) -> Option<&'a Arc<Endpoint>> {
        if self.list.len() == 1 {
            return Some(self.list[0]);
        }
        let index = (0..self.list.len())
            .find(|index| !self.is_spent[*index] && !self.list[*index].health.is_unwell(Instant::now()))?;
        self.is_spent[index] = true;
        let endpoint = self.list[index];
        (self.admit(endpoint).is_ok() && endpoint.health.admits(Instant::now())).then_some(endpoint)
    }

    /// Whether all candidates are left alone just now, so that the fallbacks may as well be asked at once; what kind of
    /// failure that is.
    pub(super) fn all_rest(&self) -> Option<Failure> {
        let now = Instant::now();
        if !self.list.iter().all(|it| it.health.is_unwell(now)) {
            return None;
        }
        let are_limited = self.list.iter().all(|it| it.health.is_limited(now));
        Some(if are_limited { Failure::RateLimit } else { Failure::ServerError })
    }

    fn admit(&self, endpoint: &Endpoint) -> Result<(), Refused> {
        if self.is_admitted {
            return Ok(());
        }
        endpoint.limiter.as_ref().map_or(Ok(()), |it| it.check()).map_err(Refused::here)
    }
}

fn is_endpoint(served: &Served) -> bool {
    matches!(served, Served::Endpoint(_))
}
