//! Whether a call may begin, and what it has reserved until it ends.

use llm::Error;

use crate::Call;
use crate::request::Request;
use crate::served::Served;

/// Lets calls in.
#[derive(Default)]
pub(crate) struct Admission {}

/// What a call that was let in holds; the end of the call settles it.
#[derive(Debug, Default)]
pub(crate) struct Permit {}

impl Admission {
    /// Lets a call in, or says why not. Calls that are turned away never begin and leave no record.
    #[expect(clippy::unused_async, reason = "shared limits will ask another server")]
    pub(crate) async fn admit(&self, served: &Served, _request: &Request) -> Result<Permit, Error> {
        let limiter = match served {
            Served::Endpoint(it) => &it.limiter,
            Served::Route(it) => &it.limiter,
        };
        limiter.as_ref().map_or(Ok(()), |it| it.check())?;
        Ok(Permit {})
    }
}

impl Permit {
    /// Settles what was reserved with what the call really took, however it ended.
    #[expect(clippy::unused_self, reason = "budgets will settle here")]
    pub(crate) fn settle(self, _call: &Call) {}
}
