//! Any OpenAI-compatible server as a language model: async-openai carries our own types, so that nothing is lost.

use std::fmt;
use std::time::Duration;

use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use async_trait::async_trait;
use llm::{Chat, ChatReply, Completion, CompletionReply, Error, LanguageModel, Result};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

/// Where an OpenAI-compatible server is and how it is asked. Its `Debug` does not show the key.
#[derive(Clone)]
pub struct CompatibleConfig {
    /// The base address, up to and without `/chat/completions`.
    pub url: String,
    /// The model that requests name when they name none.
    pub model: String,
    /// The bearer key; without one no `Authorization` is sent.
    pub key: Option<String>,
    /// Further headers of each request.
    pub headers: Vec<(String, String)>,
}

impl fmt::Debug for CompatibleConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|it| it.0.as_str()).collect();
        formatter
            .debug_struct("CompatibleConfig")
            .field("url", &self.url)
            .field("model", &self.model)
            .field("has_key", &self.key.is_some())
            .field("headers", &names)
            .finish()
    }
}

/// A model behind an OpenAI-compatible server. Failed calls are not retried here: the runner does that.
pub struct Compatible {
    client: async_openai::Client<OpenAIConfig>,
    model: String,
    url: String,
}

impl Compatible {
    /// Prepares the client; nothing is sent yet.
    pub fn new(config: &CompatibleConfig) -> Result<Self, String> {
        /// A server that does not accept a connection in this time is not there.
        const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
        let url = reqwest::Url::parse(&config.url).map_err(|it| format!("`{}` is no URL: {it}", config.url))?;
        if !["http", "https"].contains(&url.scheme()) {
            return Err(format!("`{}` must start with http:// or https://", config.url));
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &config.headers {
            let wrong = |what: &str| format!("target {}: the header `{name}` has {what}", config.url);
            let header = HeaderName::try_from(name).map_err(|_| wrong("a name that HTTP does not allow"))?;
            let mut value = HeaderValue::from_str(value).map_err(|_| wrong("a value that HTTP does not allow"))?;
            value.set_sensitive(true);
            headers.insert(header, value);
        }
        if config.key.as_ref().is_some_and(|it| HeaderValue::from_str(it).is_err()) {
            return Err(format!("target {}: the key has characters that HTTP does not allow in a header", config.url));
        }
        let http = http_client(CONNECT_TIMEOUT)?;
        // Every field is set, so that no OPENAI_* variable of the environment changes where or as whom we ask.
        let openai = OpenAIConfig::new()
            .with_api_base(config.url.trim_end_matches('/'))
            .with_api_key(config.key.clone().unwrap_or_default())
            .with_org_id("")
            .with_project_id("");
        let has_key = config.key.is_some();
        let send = tower::service_fn(move |request: async_openai::middleware::HttpRequestFactory| {
            let (http, headers) = (http.clone(), headers.clone());
            async move {
                let mut request = request.build().await?;
                if !has_key {
                    request.headers_mut().remove(AUTHORIZATION);
                }
                request.headers_mut().extend(headers);
                let response = http.execute(request).await.map_err(|it| boxed(unreachable(&it)))?;
                if response.status().is_success() { Ok(response) } else { Err(boxed(refused(response).await)) }
            }
        });
        let client = async_openai::Client::with_config(openai).with_http_service(send);
        Ok(Self { client, model: config.model.clone(), url: config.url.clone() })
    }

    fn words(&self, error: OpenAIError) -> Error {
        match error {
            OpenAIError::Boxed(error) => match error.downcast::<Error>() {
                Ok(error) => *error,
                Err(other) => Error::Internal(format!("{}: {other}", self.url)),
            },
            OpenAIError::JSONDeserialize(error, _) => Error::Upstream {
                status: 200,
                message: format!("{}: the answer is no OpenAI reply: {error}", self.url),
                body: None,
            },
            OpenAIError::Reqwest(error) => unreachable(&error),
            other => Error::Unavailable(format!("{}: {other}", self.url)),
        }
    }
}

#[async_trait]
impl LanguageModel for Compatible {
    async fn chat(&self, mut request: Chat) -> Result<ChatReply> {
        if request.model.is_empty() {
            request.model.clone_from(&self.model);
        }
        self.client.chat().create_byot(request).await.map_err(|it| self.words(it))
    }

    async fn complete(&self, mut request: Completion) -> Result<CompletionReply> {
        if request.model.is_empty() {
            request.model.clone_from(&self.model);
        }
        self.client.completions().create_byot(request).await.map_err(|it| self.words(it))
    }
}

/// An HTTP client with the ring provider and a bound on connecting.
pub(crate) fn http_client(connect_timeout: Duration) -> Result<reqwest::Client, String> {
    // A provider that another part of the process installed first serves as well.
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder()
        .connect_timeout(connect_timeout)
        .user_agent(concat!("tidegate-eval/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|it| format!("cannot set up the HTTP client: {it}"))
}

/// The cause of a failed request, without the URL's own user and password.
pub(crate) fn unreachable(error: &reqwest::Error) -> Error {
    use std::error::Error as _;
    let mut url = error.url().cloned();
    if let Some(url) = &mut url {
        // Both calls only fail for URLs that cannot carry a user at all.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_query(None);
    }
    let place = url.map_or_else(|| "the server".to_owned(), |it| it.to_string());
    let what = if error.is_timeout() { "no answer in time" } else { "cannot be reached" };
    let mut cause = error.source();
    while let Some(inner) = cause.and_then(std::error::Error::source) {
        cause = Some(inner);
    }
    let cause = cause.map(|it| format!(": {it}")).unwrap_or_default();
    Error::Unavailable(format!("{place}: {what}{cause}"))
}

fn boxed(error: Error) -> OpenAIError {
    OpenAIError::Boxed(Box::new(error))
}

/// The error that an answer's status and body tell.
async fn refused(response: reqwest::Response) -> Error {
    /// An error's words fit in this; a longer page is cut.
    const MESSAGE_CHARS_MAX: usize = 500;
    /// A body above this is no error message.
    const BODY_BYTES_MAX: usize = 64 * 1024;
    let status = response.status().as_u16();
    let retry_after = retry_after(response.headers());
    let place = response.url().path().to_owned();
    let bytes = read_at_most(response, BODY_BYTES_MAX).await;
    let body: Option<Value> = serde_json::from_slice(&bytes).ok();
    let words = body.as_ref().and_then(|it| {
        let error = it.get("error").unwrap_or(it);
        error.get("message").or(error.get("detail")).or(Some(error)).and_then(Value::as_str).map(ToOwned::to_owned)
    });
    let words = words.unwrap_or_else(|| String::from_utf8_lossy(&bytes).trim().to_owned());
    let words: String = words.chars().take(MESSAGE_CHARS_MAX).collect();
    let message = format!("{place} answered {status}: {words}");
    match status {
        401 | 403 => Error::Denied(message),
        404 => Error::NotFound(message),
        429 => Error::Limited { message, retry_after },
        400 | 413 | 422 => Error::Invalid { message, param: None },
        503 if retry_after.is_some() => Error::Limited { message, retry_after },
        _ => Error::Upstream { status, message, body },
    }
}

/// Reads a body up to a bound; what is beyond it, or after an error, is left.
pub(crate) async fn read_at_most(mut response: reqwest::Response, bytes_max: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = bytes_max - bytes.len();
        bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if bytes.len() == bytes_max {
            break;
        }
    }
    bytes
}

/// `Retry-After` in seconds; the form with a date is rare among model servers and left to the usual wait.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: f64 = headers.get("retry-after")?.to_str().ok()?.trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}
