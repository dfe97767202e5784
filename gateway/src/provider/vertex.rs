//! Google's Vertex AI: Gemini through generateContent, Anthropic's models through `rawPredict`, and the others of its
//! Model Garden through OpenAI's protocol.
//!
//! Facts: <https://docs.cloud.google.com/vertex-ai/docs/reference/rest>, Anthropic's own client, and MLflow 3.17.2.

mod claude;
mod credentials;
mod external;
mod token;

use std::sync::Arc;

use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName};
use serde_json::{Map, Value};

use super::gemini::{Gemini, model_name};
use super::near::{Near, Rules};
use super::openai::sensitive;
use super::{Clients, Protocol, Provider, Remote};
use crate::config::{EndpointConfig, Form, Origin, Setting, Settings};
use crate::endpoint::Kind;
use crate::losses::Losses;
use claude::Claude;
use credentials::{Credentials, Reach};
use token::signer;

pub(super) const SETTINGS: &[Setting] = &[
    Setting::optional("project", Form::Text),
    Setting::optional("location", Form::Text),
    Setting::optional("credentials", Form::Document),
    Setting::optional("access_token", Form::Secret),
    Setting::optional("api_key", Form::Secret),
    Setting::optional("api_base", Form::Address),
    Setting::optional("anthropic_betas", Form::Texts),
    Setting::optional("max_tokens", Form::Count),
    Setting::optional("headers", Form::Headers),
];

/// Where MLflow asks Google's and Anthropic's models, and where the others, which have no global place.
const LOCATION: &str = "global";
const LOCATION_OF_OTHERS: &str = "us-central1";
/// Locations of several regions, which have hosts of another form.
const MULTI_REGIONS: [&str; 2] = ["eu", "us"];

static RULES: Rules = Rules {
    path: |kind| (kind == Kind::Chat).then(|| kind.path()),
    request: |_: &mut Map<String, Value>, _: Kind, _: &mut Losses| {},
    ask_for_usage: true,
};

/// Whose model a name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Maker {
    Google,
    Anthropic,
    Other,
}

pub(super) fn build(endpoint: &EndpointConfig, clients: &mut Clients) -> Result<Arc<dyn Provider>, String> {
    let settings = &endpoint.settings;
    let model = model_name(&endpoint.model)?;
    let maker = maker(model);
    let (key, token) = (settings.secret("api_key"), settings.secret("access_token"));
    let reach = Reach {
        connect: endpoint.timeouts.connect,
        is_operators: endpoint.origin == Origin::File,
        must_be_public: endpoint.origin.must_be_public(),
    };
    let credentials = match (settings.secret("credentials"), key.or(token)) {
        (Some(document), None) => Some(Credentials::read(document, "`vertex_credentials`", reach)?),
        (None, None) => Some(machines(endpoint, reach)?),
        (None, Some(_)) => None,
        (Some(_), Some(_)) => return Err(one_way()),
    };
    if key.is_some() && token.is_some() {
        return Err(one_way());
    }
    let project = project(settings, credentials.as_ref())?;
    let base = base(settings, project.as_deref(), maker)?;
    let mut headers = HeaderMap::new();
    if let Some(key) = key {
        headers.insert(HeaderName::from_static("x-goog-api-key"), sensitive(key.reveal()));
    }
    if let Some(token) = token {
        headers.insert(AUTHORIZATION, sensitive(&format!("Bearer {}", token.reveal())));
    }
    let mut upstream = clients.upstream_at(endpoint, &base, headers)?;
    if let Some(credentials) = credentials {
        upstream = upstream.signed(Arc::new(signer(credentials)?));
    }
    let who = upstream.who().to_owned();
    let protocol: Arc<dyn Protocol> = match maker {
        Maker::Google => Arc::new(Gemini {
            path: format!("publishers/google/models/{model}"),
            model: model.to_owned(),
            is_vertex: true,
            who,
        }),
        Maker::Anthropic => Arc::new(Claude::new(model, settings, who)),
        Maker::Other => Arc::new(Near::new(model, &who, &RULES)),
    };
    Ok(Arc::new(Remote::new(upstream, protocol, endpoint.on_loss)))
}

fn one_way() -> String {
    "`vertex_credentials`, `vertex_access_token` and `vertex_api_key` are three ways to say who asks; keep one"
        .to_owned()
}

/// Names without a maker are Google's, but for those that MLflow knows to be others'.
fn maker(model: &str) -> Maker {
    let model = model.to_ascii_lowercase();
    let is_other = model.contains('/')
        || model.ends_with("-maas")
        || ["mistral", "codestral", "jamba"].iter().any(|it| model.starts_with(it));
    match () {
        () if model.starts_with("claude") => Maker::Anthropic,
        () if is_other => Maker::Other,
        () => Maker::Google,
    }
}

/// Who this machine is to Google. An endpoint that was made over the API may lead anywhere, and must not take the
/// machine's token there.
fn machines(endpoint: &EndpointConfig, reach: Reach) -> Result<Credentials, String> {
    if endpoint.leads_elsewhere() {
        return Err("an endpoint with an `api_base` of its own needs `vertex_credentials`, `vertex_access_token` or \
                    `vertex_api_key`: this server's own credentials go to Google alone"
            .to_owned());
    }
    Credentials::of_machine(reach)
}

/// The project that is asked, and pays; keys of Vertex's express mode know theirs.
fn project(settings: &Settings, credentials: Option<&Credentials>) -> Result<Option<String>, String> {
    let known = settings
        .text("project")
        .cloned()
        .or_else(|| credentials.and_then(|it| it.project.clone()))
        .or_else(|| variable("GOOGLE_CLOUD_PROJECT").filter(|_| settings.secret("api_key").is_none()));
    match known {
        Some(project) if is_plain(&project, "-.:_") => Ok(Some(project)),
        Some(project) => Err(format!("`{project}` is no id of a project of Google's; write it like `my-project-123`")),
        None if settings.secret("api_key").is_some() => Ok(None),
        None => Err("Vertex AI needs `vertex_project`; write the id of your project under `model.config`, or set \
                     GOOGLE_CLOUD_PROJECT"
            .to_owned()),
    }
}

/// The address below which models lie.
fn base(settings: &Settings, project: Option<&str>, maker: Maker) -> Result<Url, String> {
    let default = if maker == Maker::Other { LOCATION_OF_OTHERS } else { LOCATION };
    let location = settings.text("location").map_or(default, String::as_str);
    if !is_plain(location, "-") {
        return Err(format!("`{location}` is no location of Google's; write it like `us-central1` or `global`"));
    }
    let root = match settings.address("api_base") {
        Some(base) => base.as_str().trim_end_matches('/').to_owned(),
        None => format!("https://{}/v1", host(location)),
    };
    let project = project.map_or_else(String::new, |it| format!("/projects/{it}/locations/{location}"));
    let below = if maker == Maker::Other { "/endpoints/openapi" } else { "" };
    let base = format!("{root}{project}{below}");
    Url::parse(&base).map_err(|error| format!("`{base}` is no address: {error}"))
}

fn host(location: &str) -> String {
    match location {
        LOCATION => "aiplatform.googleapis.com".to_owned(),
        it if MULTI_REGIONS.contains(&it) => format!("aiplatform.{it}.rep.googleapis.com"),
        it => format!("{it}-aiplatform.googleapis.com"),
    }
}

/// Whether a text may stand in an address as it is.
fn is_plain(text: &str, more: &str) -> bool {
    !text.is_empty()
        && text.chars().all(|it| it.is_ascii_alphanumeric() || more.contains(it))
        && text.chars().any(char::is_alphanumeric)
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().map(|it| it.trim().to_owned()).filter(|it| !it.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_have_makers_and_locations_hosts() {
        assert_eq!(maker("gemini-3-flash-preview"), Maker::Google);
        assert_eq!(maker("claude-sonnet-4-5@20250929"), Maker::Anthropic);
        assert_eq!(maker("meta/llama-4-scout-17b-16e-instruct-maas"), Maker::Other);
        assert_eq!(maker("mistral-medium-3"), Maker::Other);
        assert_eq!(host("global"), "aiplatform.googleapis.com");
        assert_eq!(host("eu"), "aiplatform.eu.rep.googleapis.com");
        assert_eq!(host("us-east5"), "us-east5-aiplatform.googleapis.com");
        assert!(is_plain("example.com:p-1", "-.:_") && !is_plain("..", "-.:_") && !is_plain("evil.com/", "-"));
    }
}
