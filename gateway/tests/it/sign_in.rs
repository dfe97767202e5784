//! Administration and metrics ask for their keys, where they have some.

use gateway::hashed;
use reqwest::header::AUTHORIZATION;
use serde_json::Value;

use crate::support::{CHAT, Provider, TestGateway, load};

const STATE: &str = "/api/3.0/tidegate/gateway/config";
const RELOAD: &str = "/api/3.0/tidegate/gateway/reload";
const ADMIN: &str = "Bearer the-tide-gate-keeper";

#[tokio::test]
async fn administration_asks_for_its_key_and_the_metrics_for_theirs() {
    let provider = Provider::start().await;
    let virtual_key = "tg-ann-0123456789abcdef";
    let rest = format!(
        "admin: {{key: the-tide-gate-keeper, metrics_key: the-one-who-watches}}\nkeys:\n  - {{name: ann, hash: \"{}\"}}",
        hashed(virtual_key)
    );
    let gateway = TestGateway::start(&format!("{CHAT}{rest}\n"), &provider).await;
    let ask = async |method: &str, path: &str, authorization: &str| {
        let request = gateway.http.request(method.parse().unwrap(), format!("{}{path}", gateway.base));
        let request = if authorization.is_empty() { request } else { request.header(AUTHORIZATION, authorization) };
        let response = request.send().await.unwrap();
        let asks = response.headers().get("www-authenticate").map(|it| it.to_str().unwrap().to_owned());
        (response.status().as_u16(), asks, response.text().await.unwrap())
    };
    for (method, path) in [("GET", STATE), ("POST", RELOAD), ("GET", "/api/3.0/tidegate/gateway/health")] {
        let (status, asks, body) = ask(method, path, "").await;
        assert_eq!(
            (status, asks.as_deref()),
            (401, Some("Basic realm=\"Tidegate administration\", charset=\"UTF-8\""))
        );
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["error_code"], "UNAUTHENTICATED");
        assert!(body["message"].as_str().unwrap().starts_with("administration asks for the admin key"), "{body}");
        let wrong = "Bearer the-tide-gate-keepes";
        let (status, _, body) = ask(method, path, wrong).await;
        assert_eq!(status, 401);
        assert!(!body.contains(&wrong[7..]), "{body}");
        let (status, _, body) = ask(method, path, &format!("Bearer {virtual_key}")).await;
        assert_eq!(status, 403);
        assert!(body.contains("PERMISSION_DENIED") && body.contains("the virtual key `ann`"), "{body}");
        // As a password of whichever user, too: `me:the-tide-gate-keeper`. The file of this gateway is gone, so that it
        // cannot be read again.
        let expected = if path == RELOAD { 400 } else { 200 };
        for key in [ADMIN, "Basic bWU6dGhlLXRpZGUtZ2F0ZS1rZWVwZXI="] {
            assert_eq!(ask(method, path, key).await.0, expected, "{path}");
        }
    }
    assert_eq!(ask("GET", "/metrics", "").await.0, 401);
    assert_eq!(ask("GET", "/metrics", &format!("Bearer {virtual_key}")).await.0, 401);
    for key in ["Bearer the-one-who-watches", ADMIN] {
        let (status, _, body) = ask("GET", "/metrics", key).await;
        assert!(status == 200 && body.ends_with("# EOF\n"), "{body}");
    }
    assert_eq!(ask("GET", STATE, "Bearer the-one-who-watches").await.0, 401);
    // The admin key makes no calls.
    assert_eq!(ask("GET", "/v1/models", ADMIN).await.0, 401);
}

#[tokio::test]
async fn a_gateway_that_is_told_so_asks_for_keys_before_it_has_any() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(&format!("{CHAT}auth: required\n"), &provider).await;
    assert_eq!(gateway.get("/v1/models").await.0, 401);
    assert_eq!(gateway.get(STATE).await.0, 200);
}

#[test]
fn keys_that_can_be_guessed_are_refused() {
    let check = |rest: &str, expected: &str| {
        let error = load(&format!("{CHAT}{rest}\n").replace("BASE", "http://x/v1")).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check("admin: {key: sesame}", "`admin.key`: has less than 16 characters");
    check("admin: {metrics_key: sesame}", "`admin.metrics_key`: has less than 16 characters");
    check("admin: {keys: x}", "`admin.keys`: unknown key");
    check("auth: always", "`always` is no choice");
    let peppered = format!("keys: [{{name: a, hash: \"hmac-{}\"}}]", hashed("x"));
    check(&peppered, "set TIDEGATE_KEY_PEPPER");
}
