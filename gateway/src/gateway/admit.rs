//! Letting calls in that no endpoint answers in its own words, because they pass unread.

use std::sync::Arc;

use axum::http::HeaderMap;
use llm::Error;

use super::Gateway;
use crate::admission;
use crate::http::status_of;
use crate::metering::Meter;
use crate::request::Request;
use crate::served::Served;

impl Gateway {
    /// Lets a call in as [`Gateway::call`] does, and begins its record. Gives what its caller is told of their quotas.
    pub(crate) async fn admit(
        &self,
        id: String,
        served: &Served,
        request: &Request,
    ) -> Result<(Meter, HeaderMap), Error> {
        let state = self.0.state.load_full();
        let refused = |error: &Error| self.metrics().refused(served.name(), status_of(error));
        admission::may_reach(&state, served, request).inspect_err(refused)?;
        let mut permit = admission::admit(&state, served, request).await.inspect_err(refused)?;
        let quotas = permit.take_headers();
        Ok((Meter::start(Arc::clone(&self.0.recorder), id, served, request, permit), quotas))
    }
}
