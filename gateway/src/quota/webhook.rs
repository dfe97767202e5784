//! Tells a server of the operator's that a budget is passed.
//!
//! Notices are signed as <https://www.standardwebhooks.com> describes, so that its libraries verify them: HMAC-SHA256 of
//! `id.timestamp.body`. They wait in a bounded queue for a task that sends one after the other, so that no call waits for
//! the server, and none is disturbed by it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::{Client, Url};
use ring::hmac;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::Claim;
use crate::secrets::Secret;

/// Notices that wait to be sent: there is one for each budget, subject and window.
const WAITING_MAX: usize = 256;
/// A server that takes longer has not taken the notice.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Waits before a notice is sent again that was not taken.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(25)];

/// Where notices go. The address stands in the operator's own file, so that it is trusted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Webhook {
    pub(crate) url: Url,
    /// With what they are signed: as it is, or base64 behind `whsec_`.
    pub(crate) secret: Option<Secret>,
}

/// What is told.
pub(super) struct Notice {
    webhook: Webhook,
    id: String,
    timestamp: u64,
    body: Bytes,
}

impl Webhook {
    /// A notice of a budget's count. Replicas that tell the same give it the same id.
    pub(super) fn notice(&self, claim: &Claim, mut budget: Value, used: String, timestamp: u64) -> Notice {
        budget["used_usd"] = used.into();
        budget["window_ends_unix_s"] = claim.ends_unix_s.into();
        let id = format!("budget_{:x}", Sha256::digest(format!("{} {}", claim.count, budget["usd"])));
        let body = json!({"type": "budget.exceeded", "timestamp": timestamp, "data": budget});
        Notice { webhook: self.clone(), id, timestamp, body: body.to_string().into() }
    }
}

impl Notice {
    fn signature(&self) -> Option<String> {
        let secret = self.webhook.secret.as_ref()?.reveal();
        let decoded = secret.strip_prefix("whsec_").and_then(|it| STANDARD.decode(it).ok());
        let key = hmac::Key::new(hmac::HMAC_SHA256, decoded.as_deref().unwrap_or(secret.as_bytes()));
        let mut signed = format!("{}.{}.", self.id, self.timestamp).into_bytes();
        signed.extend_from_slice(&self.body);
        Some(format!("v1,{}", STANDARD.encode(hmac::sign(&key, &signed))))
    }

    /// Sends it once; gives whether it was taken, or why not.
    async fn send(&self, client: &Client) -> Result<(), String> {
        let mut request = client.post(self.webhook.url.clone()).body(self.body.clone());
        for (name, value) in [
            ("content-type", "application/json".to_owned()),
            ("webhook-id", self.id.clone()),
            ("webhook-timestamp", self.timestamp.to_string()),
        ] {
            request = request.header(name, value);
        }
        if let Some(signature) = self.signature() {
            request = request.header("webhook-signature", signature);
        }
        // Without the address, whose path may be a secret.
        let answer = request.send().await.map_err(|error| error.without_url().to_string())?;
        if answer.status().is_success() { Ok(()) } else { Err(format!("it answered {}", answer.status())) }
    }
}

/// Begins to send notices, for as long as somebody may give some.
pub(super) fn start() -> mpsc::Sender<Notice> {
    let (sender, notices) = mpsc::channel(WAITING_MAX);
    tokio::spawn(send_all(notices));
    sender
}

async fn send_all(mut notices: mpsc::Receiver<Notice>) {
    // Whoever installed a provider before has chosen; TLS works either way.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().timeout(ANSWER_MAX).redirect(reqwest::redirect::Policy::none()).build();
    let client = match client {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(%error, "the HTTP client of webhooks cannot be built; no budget tells them anything");
            return;
        }
    };
    while let Some(notice) = notices.recv().await {
        let mut pauses = PAUSES.into_iter();
        while let Err(error) = notice.send(&client).await {
            let host = notice.webhook.url.host_str().unwrap_or_default();
            let Some(pause) = pauses.next() else {
                tracing::warn!(host, error, "a webhook was not told that a budget is passed");
                break;
            };
            tokio::time::sleep(pause).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quota::Measure;
    use crate::quota::ledger::Stretch;

    #[test]
    fn notices_are_signed_as_the_libraries_of_webhooks_verify_them() {
        let notice = |secret: &str| Notice {
            webhook: Webhook { url: "http://x".parse().unwrap(), secret: Some(Secret::new(secret)) },
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned(),
            timestamp: 1_614_265_330,
            body: Bytes::from_static(br#"{"test": 2432232314}"#),
        };
        // The example of the specification.
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(notice("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").signature().as_deref(), Some(expected));
        assert_ne!(notice("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").signature().as_deref(), Some(expected));
    }

    #[test]
    fn replicas_tell_the_same_by_the_same_id() {
        let webhook = Webhook { url: "http://x".parse().unwrap(), secret: None };
        let claim = Claim {
            measure: Measure::Usd,
            count: "usd:day:0:team:tide".to_owned(),
            amount: 1,
            limit: None,
            ends_unix_s: 86_400,
            stretch: Stretch::Calendar,
        };
        let of = |usd: &str, used: &str| webhook.notice(&claim, json!({"usd": usd}), used.to_owned(), 7);
        assert_eq!(of("5", "5.1").id, of("5", "5.2").id);
        assert_ne!(of("5", "5.1").id, of("6", "5.1").id);
        assert_eq!(of("5", "5.1").signature(), None);
    }
}
