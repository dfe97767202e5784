//! Servers that grant keys and tokens: asked within bounds, and their refusals told without what they were sent.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Client, RequestBuilder, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::form_urlencoded;

use crate::secrets::Secret;

/// Such servers answer within a second.
pub(in crate::provider) const TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of their answers at most; a grant has about two thousand.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Characters of a refusal that are shown.
const WORDS_CHARS_MAX: usize = 300;

/// A server that grants something to somebody.
pub(in crate::provider) struct Authority<'a> {
    /// What the server is called in messages: `Google`.
    pub(in crate::provider) name: &'a str,
    /// What it is asked for, and for whom: `a token for the service account …`.
    pub(in crate::provider) what: &'a str,
    /// What must not come back in its words.
    pub(in crate::provider) secrets: &'a [Secret],
}

/// How a server tells what is wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::provider) enum ToldBy {
    Json,
    /// AWS's older services: `<Message>…</Message>`.
    Xml,
}

impl Authority<'_> {
    /// Asks, and gives the body of a good answer.
    pub(in crate::provider) async fn ask(&self, request: RequestBuilder, told_by: ToldBy) -> Result<Vec<u8>, String> {
        let Self { name, what, .. } = self;
        let mut response = request.timeout(TIMEOUT).send().await.map_err(|error| {
            let error = error.without_url();
            let cause = std::error::Error::source(&error).map_or_else(String::new, |it| format!(": {it}"));
            self.scrubbed(format!("{name} cannot be reached for {what}: {error}{cause}"))
        })?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(bytes) =
            response.chunk().await.map_err(|error| format!("{name} broke off: {}", error.without_url()))?
        {
            body.extend_from_slice(&bytes);
            if body.len() > ANSWER_BYTES_MAX {
                return Err(format!("{name} answered with more than {what}"));
            }
        }
        if status.is_success() {
            return Ok(body);
        }
        let words = match told_by {
            ToldBy::Json => serde_json::from_slice(&body).ok().as_ref().and_then(words),
            // AWS quotes what should have been signed behind this; its first line says what is wrong.
            ToldBy::Xml => {
                element(&String::from_utf8_lossy(&body), "Message").and_then(|it| it.lines().next()).map(str::to_owned)
            }
        };
        let words = self.scrubbed(words.unwrap_or_else(|| "no words".to_owned()));
        let words: String = words.chars().take(WORDS_CHARS_MAX).collect();
        Err(format!("{name} refused {what} (HTTP {}): {words}", status.as_u16()))
    }

    /// Asks for a JSON object.
    pub(in crate::provider) async fn ask_json<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
    ) -> Result<T, String> {
        let body = self.ask(request, ToldBy::Json).await?;
        // The parser's words may quote the token.
        serde_json::from_slice(&body).map_err(|_| format!("{} answered without {}", self.name, self.what))
    }

    fn scrubbed(&self, text: String) -> String {
        self.secrets.iter().fold(text, |text, secret| secret.scrub(text))
    }
}

/// A POST of a form.
pub(in crate::provider) fn form(client: &Client, address: &Url, pairs: &[(&str, &str)]) -> RequestBuilder {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
    client.post(address.clone()).header(CONTENT_TYPE, kind).body(body)
}

/// The message of a refusal: OAuth's `error_description`, Google's `error.message`, AWS's `message`.
fn words(body: &Value) -> Option<String> {
    let found = body
        .get("error_description")
        .or_else(|| body.pointer("/error/message"))
        .or_else(|| body.get("message"))
        .or_else(|| body.get("Message"))
        .or_else(|| body.get("error"))?;
    found.as_str().map(str::to_owned)
}

/// The text of the first element of a name. STS's answers nest no element of one name in another, and keys and tokens
/// hold nothing that XML would escape.
pub(in crate::provider) fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(text, _)| text.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_an_answer() {
        let xml =
            "<R><Credentials><AccessKeyId>ASIA</AccessKeyId>\n<SessionToken> a+/= </SessionToken></Credentials></R>";
        assert_eq!(element(xml, "AccessKeyId"), Some("ASIA"));
        assert_eq!(element(xml, "SessionToken"), Some("a+/="));
        assert_eq!(element(xml, "SecretAccessKey"), None);
    }

    #[test]
    fn words_of_a_refusal() {
        let check = |body: Value, expected: Option<&str>| assert_eq!(words(&body).as_deref(), expected, "{body}");
        check(serde_json::json!({"error": "invalid_grant", "error_description": "gone"}), Some("gone"));
        check(serde_json::json!({"error": {"code": 403, "message": "denied"}}), Some("denied"));
        check(serde_json::json!({"message": "no access"}), Some("no access"));
        check(serde_json::json!({"error": "invalid_grant"}), Some("invalid_grant"));
        check(serde_json::json!([]), None);
    }
}
