//! Requests that carry a token which is granted for a while.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::future::BoxFuture;
use llm::Error;
use reqwest::RequestBuilder;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{Authority, Grant, Granted};
use crate::provider::Sign;
use crate::provider::openai::sensitive;
use crate::secrets::Secret;

/// Seconds that a token is good for whose server does not say: OAuth leaves it out where both sides know.
const SECONDS_DEFAULT: u64 = 3600;

/// Puts the token of the moment into each request.
pub(in crate::provider) struct Bearer {
    granted: Granted<Secret>,
    /// What goes along with it.
    headers: HeaderMap,
}

impl Bearer {
    pub(in crate::provider) fn new(
        headers: HeaderMap,
        ask: impl Fn() -> BoxFuture<'static, Result<Grant<Secret>, String>> + Send + Sync + 'static,
    ) -> Self {
        Self { granted: Granted::new(ask), headers }
    }
}

#[async_trait]
impl Sign for Bearer {
    async fn sign(&self, request: &mut reqwest::Request) -> Result<(), Error> {
        let token = self.granted.get().await.map_err(Error::Unavailable)?;
        request.headers_mut().insert(AUTHORIZATION, sensitive(&format!("Bearer {}", token.reveal())));
        request.headers_mut().extend(self.headers.clone());
        Ok(())
    }

    fn secrets(&self) -> Vec<Secret> {
        self.granted.known()
    }
}

/// A token as OAuth's servers give it.
#[derive(Deserialize)]
struct Answer {
    access_token: String,
    #[serde(default, deserialize_with = "seconds")]
    expires_in: Option<u64>,
    /// Seconds since 1970, as Azure's App Service tells.
    #[serde(default, deserialize_with = "seconds")]
    expires_on: Option<u64>,
}

/// Some servers write the seconds as a text.
fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    })
}

/// Asks for a token as OAuth's servers give it.
pub(in crate::provider) async fn bearer_token(
    authority: &Authority<'_>,
    request: RequestBuilder,
) -> Result<Grant<Secret>, String> {
    let asked = Instant::now();
    let token: Answer = authority.ask_json(request).await?;
    let secret = fit(&token.access_token, authority.name)?;
    Ok(match (token.expires_in, token.expires_on.and_then(|it| it.try_into().ok())) {
        (None, Some(end)) => Grant::until_unix(secret, end),
        (lasts, _) => Grant::lasting(secret, asked, Duration::from_secs(lasts.unwrap_or(SECONDS_DEFAULT))),
    })
}

/// A token that can travel in a header.
pub(in crate::provider) fn fit(token: &str, authority: &str) -> Result<Secret, String> {
    match HeaderValue::from_str(token) {
        Ok(_) if !token.is_empty() => Ok(Secret::new(token)),
        _ => Err(format!("{authority} granted a token that fits no header")),
    }
}
