//! A request that passes as it is, over the same client, with the same key, timeouts and errors.

use futures::stream;
use llm::Error;
use reqwest::header::CONTENT_TYPE;
use tokio::time::{Instant, timeout};

use super::{Body, Upstream};
use crate::provider::{Raw, RawReply};

impl Upstream {
    /// Sends a request and waits for the head of its answer. `own_query` is the vendor's.
    pub(in crate::provider) async fn pass(&self, raw: Raw, own_query: &str) -> Result<RawReply, Error> {
        let deadline = Instant::now() + self.timeouts.total;
        // The time includes that of the upload, which may be most of it.
        let first_byte = self.timeouts.first_byte.min(self.timeouts.total);
        let response = timeout(first_byte, self.execute_raw(raw, own_query))
            .await
            .map_err(|_| Error::Timeout(format!("{} did not answer within {first_byte:?}", self.who)))??;
        let mut response = self.judged(response).await?;
        let headers = std::mem::take(response.headers_mut());
        let body = Body {
            response,
            headers: reqwest::header::HeaderMap::new(),
            idle: self.timeouts.idle,
            deadline,
            // Nothing of it is kept here, and files are large.
            bytes_left: usize::MAX,
            who: self.who.clone(),
            scrub: self.scrub.clone(),
        };
        let bytes = stream::try_unfold(body, |mut body| async move {
            let next = body.next().await?;
            Ok(next.map(|it| (it, body)))
        });
        Ok(RawReply { headers, body: Box::pin(bytes) })
    }

    async fn execute_raw(&self, raw: Raw, own_query: &str) -> Result<reqwest::Response, Error> {
        let address = format!("{}/{}", self.base, raw.address(own_query));
        // The endpoint's own headers stand, but for what they say of a body.
        let mut headers = raw.headers;
        for (name, value) in self.headers.iter().filter(|(name, _)| *name != CONTENT_TYPE) {
            headers.insert(name.clone(), value.clone());
        }
        let mut request = self
            .client
            .request(raw.method, address)
            .headers(headers)
            .body(raw.body)
            .build()
            .map_err(|error| self.unreached(&error))?;
        if let Some(sign) = &self.sign {
            sign.sign(&mut request).await?;
        }
        self.client.execute(request).await.map_err(|error| self.unreached(&error))
    }
}
