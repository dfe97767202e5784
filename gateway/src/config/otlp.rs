//! The section `otlp`: where calls are exported as spans. Without it OpenTelemetry's own variables say so.

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::Outside;
use super::settings::{World, address, headers};
use super::tree::Place;
use crate::ConfigError;
use crate::otlp::OtlpConfig;

const KEYS: &[&str] = &["endpoint", "headers", "capture_content", "service_name"];

const SERVICE_NAME: &str = "tidegate";

/// Reads the section.
pub(super) fn read(place: &Place<'_>, env: &Outside<'_>) -> Result<OtlpConfig, ConfigError> {
    let mut table = place.table()?;
    let endpoint = table.need("endpoint", "endpoint: http://localhost:4318")?;
    let world = World { env, endpoint: "otlp" };
    let base = address(&endpoint, endpoint.text()?)?;
    let headers = table.take("headers").map(|it| headers(&it, &world)).transpose()?.unwrap_or_default();
    let capture_content = table.take("capture_content").map(|it| it.bool()).transpose()?.unwrap_or(false);
    let service_name = table.take("service_name").map(|it| it.text().map(str::to_owned)).transpose()?;
    table.finish(KEYS)?;
    let service_name = service_name.or_else(|| service_name_of(env)).unwrap_or_else(|| SERVICE_NAME.to_owned());
    Ok(OtlpConfig { address: below(&base), headers, capture_content, service_name })
}

/// What OpenTelemetry's variables say; `None` where they name no place for traces. Each complaint names its variable.
pub(super) fn of_environment(env: &Outside<'_>) -> Result<Option<OtlpConfig>, String> {
    let get = |name: &str| (env.variable)(name).filter(|it| !it.trim().is_empty());
    let is_off = |name: &str, word: &str| get(name).is_some_and(|it| it.eq_ignore_ascii_case(word));
    if is_off("OTEL_SDK_DISABLED", "true") || is_off("OTEL_TRACES_EXPORTER", "none") {
        return Ok(None);
    }
    let url = |name: &str, text: &str| {
        Url::parse(text.trim()).ok().filter(|it| matches!(it.scheme(), "http" | "https")).ok_or_else(|| {
            format!("the environment variable {name} is `{text}`; it must be an address like `http://localhost:4318`")
        })
    };
    let (of_traces, of_all) = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT");
    let address = match (get(of_traces), get(of_all)) {
        // The first is the whole address, below the second is the path of traces.
        (Some(text), _) => url(of_traces, &text)?,
        (None, Some(text)) => below(&url(of_all, &text)?),
        (None, None) => return Ok(None),
    };
    for name in ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"] {
        if let Some(protocol) = get(name).filter(|it| it != "http/protobuf") {
            return Err(format!(
                "the environment variable {name} is `{protocol}`; spans are exported as `http/protobuf` alone, which \
                 collectors take at port 4318"
            ));
        }
    }
    let mut headers = HeaderMap::new();
    for name in ["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"] {
        for pair in get(name).unwrap_or_default().split(',').filter(|it| !it.trim().is_empty()) {
            let header = pair.split_once('=').and_then(|(key, value)| header(key, value));
            // The pair may hold a key, which no message shows.
            let (key, value) = header.ok_or_else(|| {
                format!("the environment variable {name} must be `name=value` pairs with commas between them")
            })?;
            headers.insert(key, value);
        }
    }
    let capture = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT";
    Ok(Some(OtlpConfig {
        address,
        headers,
        capture_content: get(capture).is_some_and(|it| it.eq_ignore_ascii_case("true")),
        service_name: service_name_of(env).unwrap_or_else(|| SERVICE_NAME.to_owned()),
    }))
}

fn service_name_of(env: &Outside<'_>) -> Option<String> {
    (env.variable)("OTEL_SERVICE_NAME").filter(|it| !it.trim().is_empty())
}

fn header(key: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    let decoded = percent_encoding::percent_decode_str(value.trim()).decode_utf8().ok()?;
    let mut value = HeaderValue::try_from(decoded.as_ref()).ok()?;
    value.set_sensitive(true);
    Some((HeaderName::try_from(key.trim()).ok()?, value))
}

/// Where a collector takes traces.
fn below(base: &Url) -> Url {
    let mut address = base.clone();
    let path = format!("{}/v1/traces", base.path().trim_end_matches('/'));
    address.set_path(&path);
    address
}
