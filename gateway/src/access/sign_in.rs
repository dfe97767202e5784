//! Who may change what a gateway serves: administration has a key of its own, and so may the metrics.
//!
//! The key comes as `Authorization: Bearer …`, or as the password of `Basic`, which is how MLflow's client and browsers
//! send one. Without a key configured administration is open, as MLflow's is; what must never be open refuses then.

use std::fmt;

use axum::Json;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::json;

use crate::Gateway;
use crate::secrets::Secret;

/// The keys, as the configuration has them.
#[derive(Clone, Debug, Default)]
pub(crate) struct SignInConfig {
    /// Opens administration.
    pub(crate) admin: Option<Secret>,
    /// Opens the metrics, beside the other one.
    pub(crate) metrics: Option<Secret>,
}

/// The sign-in that is in force.
#[derive(Debug, Default)]
pub(crate) struct SignIn {
    admin: Option<Proof>,
    metrics: Option<Proof>,
}

/// By what a key is recognised: a tag that it signs. Tags are compared in constant time, whatever the length of a guess.
struct Proof(hmac::Tag);

/// What the tag is of; any text would do.
const SIGNED: &[u8] = b"tidegate administration";

impl Proof {
    fn of(secret: &Secret) -> Self {
        Self(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.reveal().as_bytes()), SIGNED))
    }

    fn is_of(&self, secret: &Secret) -> bool {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.reveal().as_bytes());
        hmac::verify(&key, SIGNED, self.0.as_ref()).is_ok()
    }
}

impl fmt::Debug for Proof {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Proof")
    }
}

impl SignIn {
    pub(crate) fn new(config: &SignInConfig) -> Self {
        Self { admin: config.admin.as_ref().map(Proof::of), metrics: config.metrics.as_ref().map(Proof::of) }
    }

    fn opens(&self, headers: &HeaderMap) -> bool {
        self.admin.as_ref().zip(credential(headers)).is_some_and(|(proof, it)| proof.is_of(&it))
    }

    fn opens_metrics(&self, headers: &HeaderMap) -> bool {
        let opens = |proof: &Proof| credential(headers).is_some_and(|it| proof.is_of(&it));
        self.metrics.as_ref().is_none_or(opens) || self.opens(headers)
    }
}

/// The token, or the password of whichever user.
fn credential(headers: &HeaderMap) -> Option<Secret> {
    let (scheme, rest) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Secret::new(rest));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
    pair.split_once(':').map(|(_, password)| Secret::new(password))
}

/// Whoever makes this request may administer the gateway: they sent its key, or it has none.
pub(crate) struct Administrator;

impl FromRequestParts<Gateway> for Administrator {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Refusal> {
        let sign_in = gateway.sign_in();
        if sign_in.admin.is_none() || sign_in.opens(&parts.headers) {
            return Ok(Self);
        }
        Err(Refusal::of(gateway, &parts.headers))
    }
}

/// Whoever makes this request sent the gateway's key of administration. Without one nobody does.
pub(crate) struct KeyHolder;

impl FromRequestParts<Gateway> for KeyHolder {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Refusal> {
        if gateway.sign_in().admin.is_none() {
            return Err(Refusal::NoKeyConfigured);
        }
        Administrator::from_request_parts(parts, gateway).await.map(|_| Self)
    }
}

/// Whoever makes this request may read the metrics.
pub(crate) struct Watcher;

impl FromRequestParts<Gateway> for Watcher {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Refusal> {
        if gateway.sign_in().opens_metrics(&parts.headers) { Ok(Self) } else { Err(Refusal::Metrics) }
    }
}

/// Stands before a whole router of administration.
pub(crate) async fn administrators(State(gateway): State<Gateway>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match Administrator::from_request_parts(&mut parts, &gateway).await {
        Ok(_) => next.run(Request::from_parts(parts, body)).await,
        Err(refusal) => refusal.into_response(),
    }
}

/// Why somebody may not administer. Answers have the shape of MLflow's errors.
pub(crate) enum Refusal {
    Missing,
    Wrong,
    /// They sent a virtual key, by its name.
    Caller(String),
    NoKeyConfigured,
    Metrics,
}

impl Refusal {
    fn of(gateway: &Gateway, headers: &HeaderMap) -> Self {
        match credential(headers) {
            None => Self::Missing,
            Some(it) => match gateway.identify(Some(it.reveal())) {
                Ok(Some(key)) => Self::Caller(key.identity.key.clone()),
                _ => Self::Wrong,
            },
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        const HOW: &str = "send it as `Authorization: Bearer …`, or as the password of `Basic`; MLflow's client sends \
                           what MLFLOW_TRACKING_TOKEN holds";
        let message = match &self {
            Self::Missing => format!("administration asks for the admin key of this gateway; {HOW}"),
            Self::Wrong => format!("this is not the admin key of this gateway; {HOW}"),
            Self::Caller(name) => {
                format!("the virtual key `{name}` makes calls; administration needs the admin key of this gateway")
            }
            Self::NoKeyConfigured => "keys are administered with an admin key alone, and this gateway has none; set \
                                      TIDEGATE_ADMIN_KEY or TIDEGATE_ADMIN_KEY_FILE, or write `admin: {key: …}` into its \
                                      configuration"
                .to_owned(),
            Self::Metrics => format!("the metrics of this gateway ask for their key, or the admin key; {HOW}"),
        };
        let (status, code) = match self {
            Self::Caller(_) | Self::NoKeyConfigured => (StatusCode::FORBIDDEN, "PERMISSION_DENIED"),
            Self::Missing | Self::Wrong | Self::Metrics => (StatusCode::UNAUTHORIZED, "UNAUTHENTICATED"),
        };
        let mut response = (status, Json(json!({"error_code": code, "message": message}))).into_response();
        if status == StatusCode::UNAUTHORIZED {
            // With this a browser asks its user, so that the web app's pages work.
            let asks = HeaderValue::from_static("Basic realm=\"Tidegate administration\", charset=\"UTF-8\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, asks);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_opens_as_a_token_and_as_a_password() {
        let secret = |text: &str| Some(Secret::new(text));
        let sign_in = SignIn::new(&SignInConfig { admin: secret("a very good key"), metrics: secret("to look at") });
        let check = |value: &str, [opens, opens_metrics]: [bool; 2]| {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]);
            assert_eq!([sign_in.opens(&headers), sign_in.opens_metrics(&headers)], [opens, opens_metrics], "{value}");
        };
        check("Bearer a very good key", [true, true]);
        check("bearer a very good key", [true, true]);
        check("Bearer to look at", [false, true]);
        check("Bearer a very good kex", [false, false]);
        check("Bearer ", [false, false]);
        check(&format!("Basic {}", STANDARD.encode("anybody:a very good key")), [true, true]);
        check(&format!("Basic {}", STANDARD.encode("a very good key:")), [false, false]);
        check("Basic %%%", [false, false]);
        check("Digest a very good key", [false, false]);
        assert!(!sign_in.opens(&HeaderMap::new()) && !sign_in.opens_metrics(&HeaderMap::new()));
        assert!(SignIn::default().opens_metrics(&HeaderMap::new()));
        assert!(!format!("{sign_in:?}").contains("good"));
    }
}
