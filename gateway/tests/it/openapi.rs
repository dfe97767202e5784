//! The document of the gateway's addresses, against the addresses themselves.

use std::collections::{BTreeMap, BTreeSet};

use gateway::hashed;
use regex::Regex;
use serde_json::{Value, json};

use crate::support::{CHAT, Provider, Reply, TestGateway};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

fn yaml() -> String {
    format!(
        "{CHAT}
routes:
  - name: both
    task_type: llm/v1/chat
    destinations: [{{name: chat, traffic_percentage: 100}}]
"
    )
}

/// A path without the names of its parameters, and without the method that Google puts behind one.
fn shape(path: &str) -> String {
    let path = Regex::new(r"\{[^}]*\}").unwrap().replace_all(path, "{}").into_owned();
    Regex::new(":[A-Za-z]+$").unwrap().replace(&path, "").into_owned()
}

fn filled(path: &str) -> String {
    let values = [("{endpoint}", "chat"), ("{route}", "both"), ("{id}", "x"), ("{item}", "y"), ("{path}", "v1/x")];
    values.into_iter().fold(path.to_owned(), |path, (name, value)| path.replace(name, value))
}

/// The paths of the document with their methods.
fn listed(document: &Value) -> Vec<(String, BTreeSet<String>)> {
    let paths = document["paths"].as_object().unwrap();
    paths.iter().map(|(path, it)| (path.clone(), it.as_object().unwrap().keys().cloned().collect())).collect()
}

#[tokio::test]
async fn what_is_listed_is_served_and_what_is_served_is_listed() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(&yaml(), &provider).await;
    let (status, document) = gateway.get("/openapi.json").await;
    assert_eq!(status, 200);
    let listed = listed(&document);

    // axum has no list of its routes but for the one it shows to programmers.
    let shown = format!("{:?}", gateway::router(gateway.gateway.clone()));
    let served: BTreeSet<String> =
        Regex::new(r#""(/[^"]*)""#).unwrap().captures_iter(&shown).map(|it| shape(&it[1])).collect();
    assert!(served.contains("/v1/chat/completions"), "{shown}");
    let mut known: BTreeSet<String> = listed.iter().map(|(path, _)| shape(path)).collect();
    // What answers that nothing is there: ours below `/v1/`, axum's elsewhere.
    known.extend(["/v1/{}", "/", "/{}"].map(str::to_owned));
    assert_eq!(known, served);

    let mut methods: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, its) in &listed {
        methods.entry(shape(path)).or_default().extend(its.iter().cloned());
    }
    for (path, its) in &listed {
        for method in METHODS {
            let at = format!("{} {path}", method.to_uppercase());
            // Asked only by what passes unread: a body without a type is refused everywhere else.
            if path.starts_with("/gateway/proxy/") {
                provider.forget();
                provider.will(Reply::json(200, "{}"));
            }
            let verb = method.to_uppercase().parse().unwrap();
            let response =
                gateway.http.request(verb, format!("{}{}", gateway.base, filled(path))).send().await.unwrap();
            let status = response.status().as_u16();
            let is_served = methods[&shape(path)].contains(method);
            assert_eq!(status != 405, is_served, "{at}: {status}");
            if its.contains(method) {
                assert_ne!(status, 404, "{at}");
            }
        }
    }
}

#[tokio::test]
async fn references_lead_somewhere_and_ids_are_told_apart() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(&yaml(), &provider).await;
    let (_, document) = gateway.get("/openapi.json").await;
    assert_eq!(
        (&document["openapi"], &document["info"]["version"]),
        (&json!("3.1.0"), &json!(env!("CARGO_PKG_VERSION")))
    );
    let text = document.to_string();
    let references: BTreeSet<&str> =
        Regex::new(r##""\$ref":"#([^"]+)""##).unwrap().captures_iter(&text).map(|it| it.extract::<1>().1[0]).collect();
    assert!(references.len() > 50, "{references:?}");
    for reference in &references {
        assert!(document.pointer(reference).is_some(), "{reference}");
    }
    for part in ["parameters", "headers", "responses", "schemas"] {
        for name in document["components"][part].as_object().unwrap().keys() {
            assert!(references.contains(&*format!("/components/{part}/{name}")), "nobody needs {part}/{name}");
        }
    }
    let names = Regex::new(r"\{([^}]*)\}").unwrap();
    let mut ids = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{method} {path}");
            let named: BTreeSet<&str> = operation["parameters"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|it| document.pointer(&it["$ref"].as_str().unwrap()[1..]))
                .filter(|it| it["in"] == "path")
                .map(|it| it["name"].as_str().unwrap())
                .collect();
            let in_path: BTreeSet<&str> = names.captures_iter(path).map(|it| it.extract::<1>().1[0]).collect();
            assert_eq!(named, in_path, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn who_has_no_key_reads_the_document_but_no_names() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(&yaml(), &provider).await;
    let (_, document) = gateway.get("/openapi.json").await;
    assert_eq!(document["components"]["schemas"]["Name"]["examples"], json!(["chat", "both"]));

    let keys = format!("{}keys:\n  - {{name: ann, hash: \"{}\"}}\n", yaml(), hashed("tg-ann-0123456789abcdef"));
    let gateway = TestGateway::start(&keys, &provider).await;
    assert_eq!(gateway.get("/v1/models").await.0, 401);
    let (status, document) = gateway.get("/openapi.json").await;
    assert_eq!((status, document["components"]["schemas"]["Name"].get("examples")), (200, None));
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(&yaml(), &provider).await;
    let response = gateway.http.get(format!("{}/docs", gateway.base)).send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["content-type"].to_str().unwrap()),
        (200, &"text/html; charset=utf-8")
    );
    assert!(response.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'none';"));
    let page = response.text().await.unwrap();
    assert!(page.contains("fetch('openapi.json')"), "{page}");
    for elsewhere in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!page.contains(elsewhere), "{elsewhere}");
    }
}
