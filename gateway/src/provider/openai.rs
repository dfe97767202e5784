//! OpenAI, and everyone who takes its bodies: the caller's text goes through with the model's name replaced.

mod azure;
mod entra;
mod fit;
mod responses;

use std::borrow::Cow;
use std::sync::Arc;

use async_trait::async_trait;
use llm::Error;
use percent_encoding::utf8_percent_encode;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use super::compatible::Quirks;
use super::remote::events;
use super::upstream::{Upstream, data_frames};
use super::{Clients, Framing, Outgoing, Provider, Raw, RawReply, Reply, ReplyBody, UNRESERVED, told};
use crate::config::{EndpointConfig, Form, Setting};
use crate::dialect::Dialect;
use crate::endpoint::Kind;
use crate::explain::Explained;
use crate::json::quote;
use crate::losses::{Losses, OnLoss};
use crate::request::Request;
pub(super) use azure::SETTINGS as AZURE_SETTINGS;
pub(super) use fit::{Taker, fit};

pub(super) const SETTINGS: &[Setting] = &[
    Setting::required("api_key", Form::Secret),
    Setting::optional("api_base", Form::Address),
    Setting::optional("api_type", Form::Text),
    Setting::optional("api_version", Form::Text),
    Setting::optional("deployment_name", Form::Text),
    Setting::optional("organization", Form::Text),
    Setting::optional("project", Form::Text),
    Setting::optional("headers", Form::Headers),
];

const BASE: &str = "https://api.openai.com/v1";

/// A model behind OpenAI's protocol.
pub(super) struct OpenAi {
    upstream: Upstream,
    /// The provider's name of the model, as JSON.
    model_json: String,
    quirks: Quirks,
    /// What addresses end in: Azure's `?api-version=…`.
    query: String,
    /// Whether the base address is that of one deployment of Azure's.
    is_azure: bool,
    taker: Taker,
    /// Where responses are asked for, below the base address, if this server knows them.
    responses: Option<String>,
    on_loss: OnLoss,
}

impl OpenAi {
    pub(super) fn new(endpoint: &EndpointConfig, upstream: Upstream, quirks: Quirks) -> Self {
        Self {
            upstream,
            model_json: quote(&endpoint.model),
            quirks,
            query: String::new(),
            is_azure: false,
            taker: Taker::Compatible,
            responses: None,
            on_loss: endpoint.on_loss,
        }
    }
}

#[async_trait]
impl Provider for OpenAi {
    async fn call(&self, request: &Request) -> llm::Result<Reply> {
        if let (Dialect::Responses, Some(path)) = (request.dialect, &self.responses) {
            return self.respond(request, path).await;
        }
        let (outgoing, losses) = self.prepare(request)?;
        if request.stream {
            let body = self.upstream.stream(outgoing).await?;
            let headers = told(body.headers());
            let body = ReplyBody::Stream(Box::pin(data_frames(body)));
            return Ok(Reply { form: Dialect::OpenAi, headers, losses, body });
        }
        let (body, headers) = self.upstream.whole(outgoing).await?;
        Ok(Reply { form: Dialect::OpenAi, headers: told(&headers), losses, body: ReplyBody::Whole(body) })
    }

    fn explain(&self, request: &Request) -> llm::Result<Explained> {
        if let (Dialect::Responses, Some(path)) = (request.dialect, &self.responses) {
            let outgoing = self.native(request, path)?;
            return self.upstream.explain(outgoing, request.stream, Losses::default(), true);
        }
        let (outgoing, losses) = self.prepare(request)?;
        self.upstream.explain(outgoing, request.stream, losses, request.dialect == Dialect::OpenAi)
    }

    fn scrubbed(&self, error: Error) -> Error {
        self.upstream.scrub().error(error)
    }

    async fn realtime(&self, headers: HeaderMap, query: &str) -> llm::Result<reqwest::Upgraded> {
        let model: String = serde_json::from_str(&self.model_json).unwrap_or_default();
        let model = utf8_percent_encode(&model, UNRESERVED);
        // At Azure the deployment is named beside the version, and lies two steps up from its own address.
        let own = if self.is_azure {
            format!("../../realtime{}&deployment={model}", self.query)
        } else {
            format!("realtime?model={model}")
        };
        let path = if query.is_empty() { own } else { format!("{own}&{query}") };
        self.upstream.upgraded(&path, headers).await
    }

    async fn pass(&self, mut raw: Raw) -> llm::Result<RawReply> {
        let collection = raw.path.split('/').next().unwrap_or_default();
        if self.is_azure && azure::ABOVE_DEPLOYMENTS.contains(&collection) {
            raw.path = format!("../../{}", raw.path);
        }
        self.upstream.pass(raw, &self.query).await
    }
}

impl OpenAi {
    /// What is sent, and what the request loses on its way.
    fn prepare(&self, request: &Request) -> llm::Result<(Outgoing, Losses)> {
        let mut losses = Losses::default();
        let mut request = Cow::Borrowed(request.pivot(&mut losses)?);
        if request.is_translated && request.kind == Kind::Chat {
            let chat = fit(request.chat()?, self.taker, &mut losses);
            request = Cow::Owned(request.with_chat(chat)?);
        }
        losses.judge(self.on_loss)?;
        Ok((self.outgoing(&request)?, losses))
    }

    fn outgoing(&self, request: &Request) -> llm::Result<Outgoing> {
        // Only chats and completions stream, and only there the counts have to be asked for.
        let body = request.body_for(&self.model_json, self.quirks.ask_for_usage && request.kind != Kind::Embeddings)?;
        let path = format!("{}{}", request.kind.path(), self.query);
        Ok(Outgoing { path, body, headers: forwarded(request) })
    }

    /// A request in the caller's own words.
    fn native(&self, request: &Request, path: &str) -> llm::Result<Outgoing> {
        let body = request.body_for(&self.model_json, false)?;
        Ok(Outgoing { path: path.to_owned(), body, headers: forwarded(request) })
    }

    /// A call in the words of Responses, which pass unread both ways.
    async fn respond(&self, request: &Request, path: &str) -> llm::Result<Reply> {
        let outgoing = self.native(request, path)?;
        let (form, losses) = (Dialect::Responses, Losses::default());
        if request.stream {
            let body = self.upstream.stream(outgoing).await?;
            let headers = told(body.headers());
            let reader = responses::Reader::new(body.who().to_owned());
            let body = ReplyBody::Stream(events::native(body, Framing::Sse, Box::new(reader)));
            return Ok(Reply { form, headers, losses, body });
        }
        let (body, headers) = self.upstream.whole(outgoing).await?;
        Ok(Reply { form, headers: told(&headers), losses, body: ReplyBody::Whole(body) })
    }
}

fn forwarded(request: &Request) -> HeaderMap {
    request.caller.forwarded().map(|(name, value)| (name.clone(), value.clone())).collect()
}

pub(super) fn build(
    endpoint: &EndpointConfig,
    is_azure: bool,
    clients: &mut Clients,
) -> Result<Arc<dyn Provider>, String> {
    let settings = &endpoint.settings;
    let is_azure = match settings.text("api_type").map(|it| it.to_ascii_lowercase()).as_deref() {
        None => is_azure,
        Some("openai") if !is_azure => false,
        Some("azure" | "azuread") => true,
        Some(other) => {
            return Err(format!("`openai_api_type` is `{other}`; it must be `openai`, `azure` or `azuread`"));
        }
    };
    let quirks = Quirks { ask_for_usage: true };
    if is_azure {
        return azure::build(endpoint, quirks, clients);
    }
    if let Some(key) = ["api_version", "deployment_name"].into_iter().find(|it| settings.text(it).is_some()) {
        return Err(format!("`openai_{key}` belongs to Azure; leave it out, or add `openai_api_type: azure`"));
    }
    let mut headers = bearer(endpoint);
    for (setting, header) in [("organization", "openai-organization"), ("project", "openai-project")] {
        if let Some(value) = settings.text(setting) {
            headers.insert(HeaderName::from_static(header), header_value(setting, value)?);
        }
    }
    let upstream = clients.upstream(endpoint, BASE, headers)?;
    let taker = Taker::OpenAi { knows_completion_tokens: true };
    let responses = Some("responses".to_owned());
    Ok(Arc::new(OpenAi { taker, responses, ..OpenAi::new(endpoint, upstream, quirks) }))
}

/// The endpoint's key as OpenAI wants it.
pub(super) fn bearer(endpoint: &EndpointConfig) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(key) = endpoint.settings.secret("api_key") {
        headers.insert(AUTHORIZATION, sensitive(&format!("Bearer {}", key.reveal())));
    }
    headers
}

/// A header that debug prints leave out.
pub(super) fn sensitive(value: &str) -> HeaderValue {
    let mut value = HeaderValue::from_str(value).expect("keys were checked to fit a header when they were read");
    value.set_sensitive(true);
    value
}

pub(super) fn header_value(setting: &str, value: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_str(value)
        .map_err(|_| format!("`{setting}` cannot be sent in a header; remove control characters"))
}
