//! Whether a call may begin, and what it has reserved until it ends.

use axum::http::HeaderMap;
use llm::Error;

use crate::Call;
use crate::gateway::State;
use crate::quota::Reserved;
use crate::request::Request;
use crate::served::Served;

/// What a call that was let in holds; the end of the call settles it.
#[derive(Debug, Default)]
pub(crate) struct Permit(Reserved);

/// Whether the caller may call an endpoint or a route at all.
pub(crate) fn may_reach(state: &State, served: &Served, request: &Request) -> Result<(), Error> {
    let caller = &request.caller;
    if !caller.is_remote || !state.access.needs_key() {
        return Ok(());
    }
    match &caller.known {
        Some(key) if key.reaches(served.name()) => Ok(()),
        Some(key) => Err(Error::Forbidden(format!(
            "the key `{}` does not reach `{}`; ask whoever runs this gateway to add it to the key's `endpoints`",
            key.identity.key,
            served.name()
        ))),
        None => Err(Error::Denied("this gateway asks for a key, and none was read on this call's way".to_owned())),
    }
}

/// Lets a call in, or says why not. Calls that are turned away never begin and leave no record.
pub(crate) async fn admit(state: &State, served: &Served, request: &Request) -> Result<Permit, Error> {
    let limiter = match served {
        Served::Endpoint(it) => &it.limiter,
        Served::Route(it) => &it.limiter,
    };
    limiter.as_ref().map_or(Ok(()), |it| it.check())?;
    let now_unix_s = i64::try_from(llm::unix_seconds()).unwrap_or(i64::MAX);
    Ok(Permit(state.quotas.reserve(served, request, now_unix_s).await?))
}

impl Permit {
    /// What the caller is told of the quotas, once.
    pub(crate) fn take_headers(&mut self) -> HeaderMap {
        std::mem::take(&mut self.0.headers)
    }

    /// Settles what was reserved with what the call really took, however it ended.
    pub(crate) fn settle(self, call: &Call) {
        self.0.settle(call);
    }

    /// Gives back what was reserved: the call never began.
    pub(crate) fn give_back(self) {
        self.0.give_back();
    }
}
