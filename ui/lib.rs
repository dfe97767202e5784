//! The web app, embedded: built files from `dist` in the binary, every other address answered with the app itself.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

#[derive(RustEmbed)]
#[folder = "dist"]
#[allow_missing = true]
struct Assets;

/// Paths that belong to an API: a client that asks for one gets an API's answer, never a web page.
const API_PREFIXES: [&str; 8] =
    ["/api", "/ajax-api", "/v1", "/endpoints", "/health", "/version", "/get-artifact", "/model-versions"];

/// Everything comes from this server. Styles are set from script by the charts and floating layers, hence
/// `unsafe-inline` for styles alone; previews of images may be made in the page.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const NOT_BUILT: &str = "<!doctype html><meta charset=utf-8><title>Tidegate</title>\
     <p>Tidegate is serving, but its web app was not built into this binary: \
     run <code>npm --prefix ui ci &amp;&amp; npm --prefix ui run build</code>, then build the binary again.";

/// A router that answers every path with the web app; merge API routers in front of it.
pub fn router() -> Router {
    Router::new().fallback(serve)
}

/// Serves the built file at the path; a path that is no file is a page of the app, so it gets `index.html`.
pub async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path();
    // Pages are only read; who sends something took the address for an API's.
    if is_api(path) || !matches!(method, Method::GET | Method::HEAD) {
        return not_found(path);
    }
    let name = path.trim_start_matches('/');
    if let Some(file) = Assets::get(name) {
        let cache = if name.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
        return respond(file, cache, &headers);
    }
    // A missing script or style must not come back as a page: the browser would try to run it.
    if name.starts_with("assets/") {
        return not_found(path);
    }
    let Some(index) = Assets::get("index.html") else {
        let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
        return (StatusCode::SERVICE_UNAVAILABLE, kind, NOT_BUILT).into_response();
    };
    respond(index, "no-cache", &headers)
}

fn is_api(path: &str) -> bool {
    API_PREFIXES
        .iter()
        .any(|prefix| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

fn not_found(path: &str) -> Response {
    // MLflow's error shape, which its clients read.
    let message = format!("nothing is served at {path}; check the address and the API version in it");
    let body = format!(r#"{{"error_code":"ENDPOINT_NOT_FOUND","message":{}}}"#, json_string(&message));
    (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// The text as a JSON string. A URI path is ASCII without control characters, so two escapes are enough.
fn json_string(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\""))
}

fn respond(file: EmbeddedFile, cache: &'static str, headers: &HeaderMap) -> Response {
    let etag = etag(&file);
    let unchanged = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|given| given.to_str().ok())
        .is_some_and(|given| matches(given, &etag));
    let mut response = if unchanged {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let kind = file.metadata.mimetype().to_owned();
        ([(header::CONTENT_TYPE, with_charset(kind))], Body::from(file.data)).into_response()
    };
    let out = response.headers_mut();
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    out.insert(header::ETAG, HeaderValue::from_str(&etag).expect("hexadecimal digits in quotes are a header value"));
    out.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    out.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    out.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

/// Half of the content's hash, quoted as the header wants it.
fn etag(file: &EmbeddedFile) -> String {
    let hash = file.metadata.sha256_hash();
    let hex = hash[..16].iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    format!("\"{hex}\"")
}

/// Whether an `If-None-Match` header names this tag; a proxy may have made it weak.
fn matches(given: &str, etag: &str) -> bool {
    given.split(',').map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == etag)
}

fn with_charset(kind: String) -> String {
    if kind.starts_with("text/") && !kind.contains("charset") { format!("{kind}; charset=utf-8") } else { kind }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_path_is_never_a_page() {
        let check = |path: &str, expected: bool| assert_eq!(is_api(path), expected, "{path}");
        check("/api", true);
        check("/api/2.0/mlflow/nothing", true);
        check("/ajax-api/3.0/x", true);
        check("/v1/models", true);
        check("/endpoints/chat/invocations", true);
        check("/health", true);
        check("/apiary", false);
        check("/experiments/1", false);
        check("/", false);
    }

    #[test]
    fn a_client_that_has_the_file_is_told_so() {
        let check = |given: &str, expected: bool| assert_eq!(matches(given, "\"ab\""), expected, "{given}");
        check("\"ab\"", true);
        check("W/\"ab\"", true);
        check("\"cd\", \"ab\"", true);
        check("*", true);
        check("\"abc\"", false);
    }

    #[test]
    fn the_error_is_json_whatever_the_path_holds() {
        assert_eq!(json_string(r#"a"b\c"#), r#""a\"b\\c""#);
    }

    async fn ask(path: &str, if_none_match: Option<&str>) -> (StatusCode, HeaderMap, String) {
        let mut headers = HeaderMap::new();
        if let Some(tag) = if_none_match {
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_str(tag).expect("a tag is a header value"));
        }
        let response = serve(Method::GET, path.parse().expect("a path is a URI"), headers).await;
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.expect("the body is in memory");
        (parts.status, parts.headers, String::from_utf8_lossy(&bytes).into_owned())
    }

    #[tokio::test]
    async fn an_unknown_api_path_answers_in_the_error_shape_of_the_api() {
        let (status, headers, body) = ask("/api/2.0/mlflow/nothing", None).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert_eq!(headers[header::CONTENT_TYPE], "application/json");
        assert!(
            body.starts_with(r#"{"error_code":"ENDPOINT_NOT_FOUND","message":"nothing is served at /api"#),
            "{body}"
        );
    }

    #[tokio::test]
    async fn who_sends_something_to_a_wrong_address_gets_an_error_instead_of_a_page() {
        let response = serve(Method::POST, Uri::from_static("/chat/completions"), HeaderMap::new()).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
    }

    #[tokio::test]
    async fn a_missing_script_is_not_answered_with_a_page() {
        assert_eq!(ask("/assets/gone.js", None).await.0, StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn a_page_of_the_app_is_the_app_or_says_how_to_build_it() {
        let (status, headers, body) = ask("/experiments/1", None).await;
        assert!(headers[header::CONTENT_TYPE].to_str().is_ok_and(|kind| kind.starts_with("text/html")));
        if Assets::get("index.html").is_none() {
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
            assert!(body.contains("npm --prefix ui run build"), "{body}");
            return;
        }
        assert_eq!(status, StatusCode::OK);
        assert!(body.contains("<div id=\"root\">"), "{body}");
        assert_eq!(headers[header::CACHE_CONTROL], "no-cache");
        assert!(
            headers[header::CONTENT_SECURITY_POLICY].to_str().is_ok_and(|policy| policy.contains("default-src 'self'"))
        );
        let tag = headers[header::ETAG].to_str().expect("a tag is ASCII");
        let (status, _, body) = ask("/experiments/1", Some(tag)).await;
        assert_eq!((status, body.as_str()), (StatusCode::NOT_MODIFIED, ""));
    }
}
