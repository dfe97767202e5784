//! The web app, embedded: built files from `dist` in the binary, every other address answered with the app itself.

use std::{borrow::Cow, sync::Arc};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

#[derive(RustEmbed)]
#[folder = "dist"]
#[allow_missing = true]
struct Assets;

/// Paths that belong to an API: a client that asks for one gets an API's answer, never a web page.
const API_PREFIXES: [&str; 9] =
    ["/api", "/ajax-api", "/v1", "/endpoints", "/health", "/version", "/get-artifact", "/model-versions", "/graphql"];

/// Everything comes from this server. Styles are set from script by the charts and floating layers, hence
/// `unsafe-inline` for styles alone; previews of images may be made in the page.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors ";

/// How the page is built: what its own addresses begin with, and where the page finds that out.
const RELATIVE: &str = "\"./";
const PREFIX_META: &str = "name=\"tidegate-prefix\" content=\"\"";

const NOT_BUILT: &str = "<!doctype html><meta charset=utf-8><title>Tidegate</title>\
     <p>Tidegate is serving, but its web app was not built into this binary: \
     run <code>npm --prefix ui ci &amp;&amp; npm --prefix ui run build</code>, then build the binary again.";

/// Where the app is served, and inside which sites' pages.
#[derive(Clone, Debug)]
pub struct Options {
    /// What all addresses of the server begin with (`/mlflow`); empty for nothing. The router itself is asked without.
    pub prefix: String,
    /// Sites whose pages may show the app, as a content security policy names them.
    pub frame_ancestors: &'static str,
}

impl Default for Options {
    fn default() -> Self {
        Self { prefix: String::new(), frame_ancestors: "'self'" }
    }
}

/// What is the same for every answer.
struct Site {
    /// The page, with its addresses below the prefix; none in a binary without the app.
    index: Option<(Bytes, String)>,
    security_policy: HeaderValue,
}

impl Site {
    fn new(options: &Options) -> Self {
        let index = Assets::get("index.html").map(|file| {
            let page = below(&String::from_utf8_lossy(&file.data), &options.prefix);
            let etag = quoted_etag(&format!("{}{}", options.prefix, hex(&file)));
            (Bytes::from(page), etag)
        });
        let policy = format!("{CONTENT_SECURITY_POLICY}{}", options.frame_ancestors);
        let security_policy = HeaderValue::from_str(&policy).expect("the policy is ASCII without line ends");
        Self { index, security_policy }
    }
}

/// The page with all of its addresses below `prefix`, so that it works at every depth.
fn below(page: &str, prefix: &str) -> String {
    let told = format!("name=\"tidegate-prefix\" content=\"{prefix}\"");
    page.replace(PREFIX_META, &told).replace(RELATIVE, &format!("\"{prefix}/"))
}

/// A router that answers every path with the web app; merge API routers in front of it.
pub fn router(options: &Options) -> Router {
    let site = Arc::new(Site::new(options));
    Router::new().fallback(move |method: Method, uri: Uri, headers: HeaderMap| {
        let site = Arc::clone(&site);
        async move { serve(&site, &method, &uri, &headers) }
    })
}

/// Serves the built file at the path; a path that is no file is a page of the app, so it gets `index.html`.
fn serve(site: &Site, method: &Method, uri: &Uri, headers: &HeaderMap) -> Response {
    let path = uri.path();
    // Pages are only read; who sends something took the address for an API's.
    if is_api(path) || !matches!(*method, Method::GET | Method::HEAD) {
        return not_found(path);
    }
    let name = path.trim_start_matches('/');
    if let Some(file) = Assets::get(name).filter(|_| name != "index.html") {
        let cache = if name.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
        let etag = quoted_etag(&hex(&file));
        let kind = with_charset(file.metadata.mimetype().to_owned());
        let body = match file.data {
            Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            Cow::Owned(bytes) => Bytes::from(bytes),
        };
        return respond(site, body, &kind, &etag, cache, headers);
    }
    // A missing script or style must not come back as a page: the browser would try to run it.
    if name.starts_with("assets/") {
        return not_found(path);
    }
    let Some((page, etag)) = &site.index else {
        let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
        return (StatusCode::SERVICE_UNAVAILABLE, kind, NOT_BUILT).into_response();
    };
    respond(site, page.clone(), "text/html; charset=utf-8", etag, "no-cache", headers)
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

fn respond(site: &Site, body: Bytes, kind: &str, etag: &str, cache: &'static str, headers: &HeaderMap) -> Response {
    let unchanged = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|given| given.to_str().ok())
        .is_some_and(|given| matches(given, etag));
    let mut response = if unchanged {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, kind)], Body::from(body)).into_response()
    };
    let out = response.headers_mut();
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    out.insert(
        header::ETAG,
        HeaderValue::from_str(etag).expect("a plain path and hexadecimal digits are a header value"),
    );
    out.insert(header::CONTENT_SECURITY_POLICY, site.security_policy.clone());
    out.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    out.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

/// Half of the content's hash.
fn hex(file: &EmbeddedFile) -> String {
    let hash = file.metadata.sha256_hash();
    hash[..16].iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

/// A tag, quoted as the header wants it.
fn quoted_etag(tag: &str) -> String {
    format!("\"{tag}\"")
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
    fn a_page_below_a_prefix_asks_for_everything_below_it() {
        let page = r#"<meta name="tidegate-prefix" content=""><script src="./assets/a.js"></script>"#;
        let expect = r#"<meta name="tidegate-prefix" content="/x"><script src="/x/assets/a.js"></script>"#;
        assert_eq!(below(page, "/x"), expect);
        assert_eq!(below(page, ""), r#"<meta name="tidegate-prefix" content=""><script src="/assets/a.js"></script>"#);
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
        let site = Site::new(&Options::default());
        let response = serve(&site, &Method::GET, &path.parse().expect("a path is a URI"), &headers);
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
        let site = Site::new(&Options::default());
        let response = serve(&site, &Method::POST, &Uri::from_static("/chat/completions"), &HeaderMap::new());
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
