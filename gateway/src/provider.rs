//! The vendors behind endpoints: who they are, what they need to be told, and the one function that builds them.

pub(crate) mod allowed;
mod anthropic;
mod aws;
mod bedrock;
mod chunks;
mod cohere;
mod compatible;
mod databricks;
mod gemini;
mod grant;
mod leftover;
mod local;
mod media;
mod mistral;
mod mlflow;
mod modelled;
mod near;
mod ollama;
mod openai;
mod portkey;
mod protocol;
mod raw;
mod remote;
mod scrub;
mod tgi;
mod tools;
mod upstream;
mod vectors;
mod vertex;

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use llm::sse::Event;
use llm::{ChatChunk, Error};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use reqwest::header::HeaderMap;

use crate::config::{EndpointConfig, Setting};
use crate::dialect::Dialect;
use crate::explain::Explained;
use crate::losses::Losses;
use crate::request::Request;

pub(crate) use local::Locals;
pub use local::{LocalConfig, OpenLocal};
pub(crate) use protocol::{Framing, Outgoing, Protocol};
pub(crate) use raw::{Raw, RawReply};
pub(crate) use remote::{Remote, Sign};
pub(crate) use upstream::{Clients, client as http_client};

/// What a model's name may hold unescaped in an address, RFC 3986's unreserved characters: names hold colons, ARNs slashes.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What stands behind an endpoint.
#[async_trait]
pub(crate) trait Provider: Send + Sync {
    /// Makes the call. Dropping the future or the frames ends it.
    async fn call(&self, request: &Request) -> llm::Result<Reply>;

    /// What a call would send, without sending it.
    fn explain(&self, request: &Request) -> llm::Result<Explained>;

    /// Counts the tokens of a call; `None` where this provider does not count.
    async fn count(&self, _request: &Request) -> llm::Result<Option<Count>> {
        Ok(None)
    }

    /// An error without the keys that the provider was sent.
    fn scrubbed(&self, error: Error) -> Error {
        error
    }

    /// Opens a connection to the provider's realtime interface, over which both sides then speak WebSocket. `query` is
    /// the caller's, without the model.
    async fn realtime(&self, _headers: HeaderMap, _query: &str) -> llm::Result<reqwest::Upgraded> {
        Err(Error::Unsupported(
            "this provider offers no realtime sessions here; name an endpoint of OpenAI's".to_owned(),
        ))
    }

    /// Passes a request to the provider's own server as it is, but for the address and the key.
    async fn pass(&self, _raw: Raw) -> llm::Result<RawReply> {
        Err(Error::Unsupported("a local model has no server to which requests could be passed on".to_owned()))
    }
}

/// How many input tokens a call has, by its provider's own count.
pub(crate) enum Count {
    /// The answer as it came, in the words of the caller's format.
    Native(Bytes),
    Tokens(u64),
}

/// An answer.
pub(crate) struct Reply {
    /// The format of the body: the caller's own where the provider speaks it, else OpenAI's.
    pub(crate) form: Dialect,
    /// What the provider's head tells the caller.
    pub(crate) headers: HeaderMap,
    /// What the request lost on its way.
    pub(crate) losses: Losses,
    pub(crate) body: ReplyBody,
}

pub(crate) enum ReplyBody {
    /// All of it, one JSON object.
    Whole(Bytes),
    /// In pieces.
    Stream(Frames),
}

/// The pieces of a streamed answer, as they come.
pub(crate) type Frames = Pin<Box<dyn futures::Stream<Item = llm::Result<Frame>> + Send>>;

/// One piece of a streamed answer.
#[derive(Debug)]
pub(crate) enum Frame {
    /// A chunk of OpenAI's, one JSON object.
    Chunk(String),
    /// An event of the caller's own format as it came, and what it says.
    Native(Event, Vec<ChatChunk>),
    /// The provider's word that nothing is missing. A stream that ends without it may have been cut short.
    Done,
}

/// What of an answer's head the caller gets to see: how much they may still ask, and how long it took.
pub(crate) fn told(headers: &HeaderMap) -> HeaderMap {
    let mut told = HeaderMap::new();
    for (name, value) in headers {
        let text = name.as_str();
        if text.starts_with("x-ratelimit-")
            || text.starts_with("anthropic-ratelimit-")
            || matches!(text, "openai-processing-ms" | "openai-version" | "request-id")
        {
            told.append(name.clone(), value.clone());
        }
    }
    told
}

/// A vendor: its row in the table of those who speak OpenAI's protocol, or an implementation of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vendor {
    /// The name that configurations write.
    pub(crate) name: &'static str,
    /// What MLflow puts in front of the vendor's setting names: `openai_` of `openai_api_key`.
    pub(crate) prefix: &'static str,
    /// What may be written under `model.config`.
    pub(crate) settings: &'static [Setting],
    make: Make,
}

#[derive(Clone, Copy, Debug)]
enum Make {
    OpenAi { is_azure: bool },
    Compatible(&'static compatible::Row),
    Anthropic,
    Bedrock,
    Gemini,
    Vertex,
    Cohere,
    Ollama,
    Mistral,
    Databricks,
    ModelServing,
    Tgi,
    Portkey,
    Local,
}

/// The vendors with an implementation of their own.
const OWN: &[Vendor] = &[
    Vendor { name: "openai", prefix: "openai_", settings: openai::SETTINGS, make: Make::OpenAi { is_azure: false } },
    Vendor {
        name: "azure",
        prefix: "openai_",
        settings: openai::AZURE_SETTINGS,
        make: Make::OpenAi { is_azure: true },
    },
    Vendor { name: "anthropic", prefix: "anthropic_", settings: anthropic::SETTINGS, make: Make::Anthropic },
    Vendor { name: "bedrock", prefix: "aws_", settings: bedrock::SETTINGS, make: Make::Bedrock },
    Vendor { name: "amazon-bedrock", prefix: "aws_", settings: bedrock::SETTINGS, make: Make::Bedrock },
    Vendor { name: "gemini", prefix: "gemini_", settings: gemini::SETTINGS, make: Make::Gemini },
    Vendor { name: "vertex", prefix: "vertex_", settings: vertex::SETTINGS, make: Make::Vertex },
    Vendor { name: "vertex-ai", prefix: "vertex_", settings: vertex::SETTINGS, make: Make::Vertex },
    Vendor { name: "cohere", prefix: "cohere_", settings: cohere::SETTINGS, make: Make::Cohere },
    Vendor { name: "ollama", prefix: "ollama_", settings: ollama::SETTINGS, make: Make::Ollama },
    Vendor { name: "mistral", prefix: "mistral_", settings: mistral::SETTINGS, make: Make::Mistral },
    Vendor { name: "databricks", prefix: "databricks_", settings: databricks::SETTINGS, make: Make::Databricks },
    Vendor {
        name: "databricks-model-serving",
        prefix: "databricks_",
        settings: databricks::SETTINGS,
        make: Make::Databricks,
    },
    Vendor { name: "mlflow-model-serving", prefix: "mlflow_", settings: mlflow::SETTINGS, make: Make::ModelServing },
    Vendor { name: "huggingface-text-generation-inference", prefix: "hf_", settings: tgi::SETTINGS, make: Make::Tgi },
    Vendor { name: "portkey", prefix: "portkey_", settings: portkey::SETTINGS, make: Make::Portkey },
    Vendor { name: "local", prefix: "model_", settings: local::SETTINGS, make: Make::Local },
];

/// The vendor of a name, whose case and `-` or `_` do not matter.
pub(crate) fn find(name: &str) -> Option<Vendor> {
    let plain = plain(name);
    OWN.iter().copied().find(|it| it.name == plain).or_else(|| compatible::find(&plain).map(vendor_of))
}

/// The names of all vendors.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    OWN.iter().map(|it| it.name).chain(compatible::ROWS.iter().map(|it| it.name))
}

/// What to say of a provider that MLflow's gateway has and this one does not.
pub(crate) fn only_in_mlflow(name: &str) -> Option<&'static str> {
    const NOT_OFFERED: &str = "is not offered by this version";
    const WORDS: [(&str, &str); 7] = [
        ("ai21labs", "served AI21's J2 models, which AI21 has shut down; for its Jamba models name `ai21`"),
        ("mosaicml", "was shut down by its maker; `databricks` serves what became of it"),
        ("palm", "was shut down by Google; name `gemini`"),
        ("litellm", "is a library of Python's; name the provider itself, or reach a LiteLLM proxy as `litellm-proxy`"),
        ("azuread", "is an `openai_api_type`, no provider; name `azure`"),
        ("sap-ai-core", NOT_OFFERED),
        ("typesafe", NOT_OFFERED),
    ];
    let plain = plain(name);
    WORDS.iter().find(|(name, _)| *name == plain).map(|(_, words)| *words)
}

/// What building takes besides the endpoint's own configuration.
pub(crate) struct Builder<'a> {
    pub(crate) clients: Clients,
    pub(crate) locals: Locals,
    /// The folder of the configuration file, from which relative paths count.
    pub(crate) config_dir: &'a Path,
}

/// Builds what stands behind an endpoint.
pub(crate) fn build(endpoint: &EndpointConfig, builder: &mut Builder<'_>) -> Result<Arc<dyn Provider>, String> {
    match endpoint.vendor.make {
        Make::OpenAi { is_azure } => openai::build(endpoint, is_azure, &mut builder.clients),
        Make::Compatible(row) => compatible::build(endpoint, row, &mut builder.clients),
        Make::Anthropic => anthropic::build(endpoint, &mut builder.clients),
        Make::Bedrock => bedrock::build(endpoint, &mut builder.clients),
        Make::Gemini => gemini::build(endpoint, &mut builder.clients),
        Make::Vertex => vertex::build(endpoint, &mut builder.clients),
        Make::Cohere => cohere::build(endpoint, &mut builder.clients),
        Make::Ollama => ollama::build(endpoint, &mut builder.clients),
        Make::Mistral => mistral::build(endpoint, &mut builder.clients),
        Make::Databricks => databricks::build(endpoint, &mut builder.clients),
        Make::ModelServing => mlflow::build(endpoint, &mut builder.clients),
        Make::Tgi => tgi::build(endpoint, &mut builder.clients),
        Make::Portkey => portkey::build(endpoint, &mut builder.clients),
        Make::Local => local::build(endpoint, builder),
    }
}

/// The error in an answer that came as if all were well, as it came.
pub(crate) fn error_in_answer(provider: &str, body: &[u8]) -> llm::Error {
    let who = format!("provider `{provider}`");
    upstream::in_ok_answer(&who, body)
        .unwrap_or_else(|| upstream::bad_gateway(format!("{who} answered with an error in an unknown shape")))
}

fn vendor_of(row: &'static compatible::Row) -> Vendor {
    Vendor { name: row.name, prefix: row.prefix, settings: row.settings(), make: Make::Compatible(row) }
}

fn plain(name: &str) -> String {
    name.trim().to_ascii_lowercase().replace('_', "-")
}
