//! Keeps web pages of strangers away: only known host names, no changes on behalf of a foreign page.
//!
//! The rules are those of `mlflow server`: a page that rebinds its name to this machine's address is refused by the
//! `Host` header, and one that posts here from elsewhere by the `Origin` header.

use std::{net::IpAddr, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header, uri::Authority},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use tower::ServiceBuilder;
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer};

use crate::app::around;

/// Whom the server listens to.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    /// Whether there is any.
    pub(crate) is_on: bool,
    /// Host names, with or without port; `*` stands for any text. Where none is given: this machine and private
    /// networks.
    pub(crate) allowed_hosts: Vec<String>,
    /// Origins of pages (`https://app.example.com`) beside those of this machine; `*` stands for any text.
    pub(crate) allowed_origins: Vec<String>,
    /// Which sites may show this server's pages inside their own.
    pub(crate) frames: Frames,
}

impl Default for Guard {
    fn default() -> Self {
        Self { is_on: true, allowed_hosts: Vec::new(), allowed_origins: Vec::new(), frames: Frames::default() }
    }
}

/// Which sites may show this server's pages inside their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "UPPERCASE")]
#[value(rename_all = "UPPERCASE")]
pub(crate) enum Frames {
    /// Only this server's own pages.
    #[default]
    SameOrigin,
    /// None.
    Deny,
    /// All.
    None,
}

impl Frames {
    /// The value of `X-Frame-Options`.
    pub(crate) fn header(self) -> Option<&'static str> {
        match self {
            Self::SameOrigin => Some("SAMEORIGIN"),
            Self::Deny => Some("DENY"),
            Self::None => None,
        }
    }

    /// The same as a content security policy says it.
    pub(crate) fn ancestors(self) -> &'static str {
        match self {
            Self::SameOrigin => "'self'",
            Self::Deny => "'none'",
            Self::None => "*",
        }
    }
}

/// Paths that answer whoever asks, so that probes need not know the server's name.
const OPEN_PATHS: [&str; 3] = ["/health", "/ready", "/version"];

/// Puts the guard before every route.
pub(crate) fn protect(app: Router, guard: Guard) -> Router {
    if !guard.is_on {
        return app;
    }
    let guard = Arc::new(guard);
    let for_cors = Arc::clone(&guard);
    let cors = CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin, _| for_cors.knows_origin(origin)))
        .allow_methods(AllowMethods::mirror_request())
        .allow_headers(AllowHeaders::mirror_request())
        // A page may act for who is logged in only where its origin is named.
        .allow_credentials(!guard.allowed_origins.iter().any(|it| it == "*"));
    around(ServiceBuilder::new().layer(middleware::from_fn_with_state(guard, check)).layer(cors).service(app))
}

async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    if OPEN_PATHS.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let host = host_of(request.headers(), request.uri());
    if !host.as_deref().is_some_and(|it| guard.knows_host(it)) {
        let host = host.unwrap_or_default();
        tracing::warn!(host, "refused a request for a host name that is not allowed");
        return refuse(format!(
            "Invalid Host header - possible DNS rebinding attack detected. If `{host}` is this server's name, start it with --allowed-hosts {host}\n"
        ));
    }
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if let Some(origin) = request.headers().get(header::ORIGIN).filter(|_| changes)
        && !is_same(origin, host.as_deref())
        && !guard.knows_origin(origin)
    {
        tracing::warn!(?origin, "refused a request of a foreign page");
        return refuse(
            "Cross-origin request blocked. If the page is yours, start the server with --cors-allowed-origins\n"
                .to_owned(),
        );
    }
    next.run(request).await
}

impl Guard {
    fn knows_host(&self, host: &str) -> bool {
        let name = name_of(host);
        if self.allowed_hosts.is_empty() {
            return is_near(name);
        }
        self.allowed_hosts.iter().any(|it| matches(it, host) || matches(it, name))
    }

    fn knows_origin(&self, origin: &HeaderValue) -> bool {
        let Ok(origin) = origin.to_str() else { return false };
        let is_local = origin.split_once("://").is_some_and(|(_, host)| is_loopback(name_of(host)));
        is_local || self.allowed_origins.iter().any(|it| matches(it, origin))
    }
}

/// The host that the request is for, with its port.
fn host_of(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let named = headers.get(header::HOST).and_then(|it| it.to_str().ok());
    named.or_else(|| uri.authority().map(Authority::as_str)).map(str::to_ascii_lowercase)
}

/// A page that this server served itself.
fn is_same(origin: &HeaderValue, host: Option<&str>) -> bool {
    let origin = origin.to_str().ok().and_then(|it| it.split_once("://"));
    origin.is_some_and(|(_, it)| host.is_some_and(|host| it.eq_ignore_ascii_case(host)))
}

/// A host without its port.
fn name_of(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

fn is_loopback(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|it| it.is_loopback())
}

/// This machine, or an address that only a private network knows; a name on the internet can be rebound, these cannot.
fn is_near(name: &str) -> bool {
    is_loopback(name)
        || match name.parse() {
            Ok(IpAddr::V4(it)) => it.is_private() || it.is_unspecified(),
            Ok(IpAddr::V6(it)) => it.is_unique_local() || it.is_unspecified(),
            Err(_) => false,
        }
}

/// Whether a pattern, in which `*` stands for any text, fits.
fn matches(pattern: &str, text: &str) -> bool {
    let pattern = pattern.to_ascii_lowercase();
    let text = text.to_ascii_lowercase();
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut pieces = pieces.peekable();
    if pieces.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return rest.ends_with(piece);
        }
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    true
}

fn refuse(words: String) -> Response {
    (StatusCode::FORBIDDEN, words).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_hosts_are_known_unless_others_are_named() {
        let near = Guard::default();
        let named = ["*.example.com", "ml:8080"].map(str::to_owned).to_vec();
        let named = Guard { allowed_hosts: named, ..Guard::default() };
        let check = |host: &str, expect: [bool; 2]| {
            assert_eq!([near.knows_host(host), named.knows_host(host)], expect, "{host}");
        };
        check("localhost:5000", [true, false]);
        check("127.0.0.1:5000", [true, false]);
        check("[::1]:5000", [true, false]);
        check("10.1.2.3", [true, false]);
        check("172.31.0.9:80", [true, false]);
        check("8.8.8.8", [false, false]);
        check("evil.com", [false, false]);
        check("localhost.evil.com", [false, false]);
        check("ml.example.com:5000", [false, true]);
        check("example.com", [false, false]);
        check("ml:8080", [false, true]);
        check("ml:8081", [false, false]);
    }

    #[test]
    fn patterns() {
        let check = |pattern, text, expect| assert_eq!(matches(pattern, text), expect, "{pattern} {text}");
        check("*", "anything", true);
        check("a*c", "abc", true);
        check("a*c", "ab", false);
        check("*a*b*", "xaxbx", true);
        check("*a*b*", "xbxax", false);
        check("A", "a", true);
    }

    #[test]
    fn origins() {
        let guard = Guard { allowed_origins: vec!["https://app.example.com".to_owned()], ..Guard::default() };
        let check = |origin, expect| {
            assert_eq!(guard.knows_origin(&HeaderValue::from_static(origin)), expect, "{origin}");
        };
        check("http://localhost:5173", true);
        check("https://app.example.com", true);
        check("https://app.example.com.evil.com", false);
        check("null", false);
        assert!(is_same(&HeaderValue::from_static("https://ml.example.com"), Some("ml.example.com")));
        assert!(!is_same(&HeaderValue::from_static("http://evil.com"), Some("ml.example.com")));
    }
}
