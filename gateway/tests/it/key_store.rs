//! Virtual keys in a database, administered over REST.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{CHAT, Provider, Reply, TestGateway, hello};

const KEYS: &str = "/api/3.0/tidegate/gateway/keys";
const ADMIN: &str = "the-tide-gate-keeper";

fn yaml() -> String {
    format!("{CHAT}admin: {{key: {ADMIN}}}\nkeys:\n  - {{name: filed, key: tg-filed-0123456789}}\n")
}

/// A gateway with a database of its own, which ends with the folder.
async fn start(provider: &Provider) -> (TestGateway, tempfile::TempDir, db::Db) {
    let folder = tempfile::tempdir().unwrap();
    let db = db::Db::open(&format!("sqlite:///{}", folder.path().join("keys.db").display())).await.unwrap();
    let gateway = TestGateway::start(&yaml(), provider).await;
    gateway.gateway.use_keys(db.clone()).await.unwrap();
    (gateway, folder, db)
}

async fn admin(gateway: &TestGateway, method: &str, path: &str, body: Value) -> (u16, Value) {
    let request = gateway.http.request(method.parse().unwrap(), format!("{}{KEYS}{path}", gateway.base));
    let response = request.bearer_auth(ADMIN).json(&body).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn call(gateway: &TestGateway, provider: &Provider, key: &str) -> (u16, String) {
    provider.will(Reply::json(200, &json!({"choices": []}).to_string()));
    let request = gateway.http.post(format!("{}/v1/chat/completions", gateway.base)).bearer_auth(key);
    let response = request.json(&hello(Some("chat"))).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn a_key_is_made_used_changed_replaced_and_revoked() {
    let provider = Provider::start().await;
    let (mut gateway, _folder, db) = start(&provider).await;
    let fields = json!({
        "name": "ann@sea", "user": "ann", "team": "tide", "endpoints": ["chat"], "expires": "2999-12-31",
        "metadata": {"cost_center": 7}, "limits": [{"requests": 3, "window": "10 days"}],
        "budgets": [{"usd": 0.5, "window": "day"}],
    });
    let (status, made) = admin(&gateway, "POST", "", fields.clone()).await;
    assert_eq!(status, 200, "{made}");
    let value = made["value"].as_str().unwrap();
    let key = &made["key"];
    assert!(value.starts_with("tg-") && value.len() == 46, "{value}");
    assert!(value.ends_with(key["hint"].as_str().unwrap().strip_prefix("tg-…").unwrap()));
    assert_eq!(key["expires_ms"], 32_503_593_600_000_u64);
    for name in ["name", "user", "team", "endpoints", "metadata", "limits", "budgets"] {
        assert_eq!(key[name], fields[name], "{name}");
    }
    // Its hash alone is kept, and nothing shows even that.
    let kept: (String,) = db.fetch_one("SELECT key_hash FROM tidegate_keys", vec![]).await.unwrap();
    assert_eq!(kept.0, gateway::hashed(value));
    let (_, shown) = admin(&gateway, "GET", "/ann%40sea", json!({})).await;
    assert_eq!(shown["key"], *key);
    assert!(!shown.to_string().contains("sha256"), "{shown}");

    let (status, _) = call(&gateway, &provider, value).await;
    assert_eq!(status, 200);
    let caller = gateway.calls.recv().await.unwrap().caller.unwrap();
    assert_eq!((&*caller.key, caller.user.as_deref(), caller.team.as_deref()), ("ann@sea", Some("ann"), Some("tide")));

    // Disabled, and let in again.
    let (status, changed) = admin(&gateway, "PATCH", "/ann%40sea", json!({"disabled": true, "team": null})).await;
    assert_eq!((status, &changed["key"]["team"], &changed["key"]["user"]), (200, &Value::Null, &json!("ann")));
    let (status, body) = call(&gateway, &provider, value).await;
    assert!(status == 401 && body.contains("the key `ann@sea` is disabled"), "{body}");
    admin(&gateway, "PATCH", "/ann%40sea", json!({"disabled": false, "endpoints": ["other"]})).await;
    assert_eq!(call(&gateway, &provider, value).await.0, 403);
    admin(&gateway, "PATCH", "/ann%40sea", json!({"endpoints": null})).await;
    assert_eq!(call(&gateway, &provider, value).await.0, 200);

    // Both open while the old one is replaced, and count together.
    let (status, rotated) = admin(&gateway, "POST", "/ann%40sea/rotate", json!({})).await;
    assert_eq!(status, 200);
    let newer = rotated["value"].as_str().unwrap();
    let overlap =
        rotated["key"]["replaced_until_ms"].as_i64().unwrap() - rotated["key"]["rotated_ms"].as_i64().unwrap();
    assert_eq!(overlap, 86_400_000);
    assert_eq!(call(&gateway, &provider, value).await.0, 200);
    let (status, body) = call(&gateway, &provider, newer).await;
    assert!(status == 429 && body.contains("3 requests per 10 days for key `ann@sea`"), "{body}");
    admin(&gateway, "PATCH", "/ann%40sea", json!({"limits": null})).await;
    let (_, rotated) = admin(&gateway, "POST", "/ann%40sea/rotate", json!({"overlap_s": 0})).await;
    let newest = rotated["value"].as_str().unwrap();
    for (key, expected) in [(value, 401), (newer, 401), (newest, 200)] {
        assert_eq!(call(&gateway, &provider, key).await.0, expected);
    }

    let (status, revoked) = admin(&gateway, "POST", "/ann%40sea/revoke", json!({})).await;
    assert!(status == 200 && revoked["key"]["revoked_ms"].is_i64(), "{revoked}");
    assert_eq!(call(&gateway, &provider, newest).await.0, 401);
    let (status, body) = admin(&gateway, "POST", "/ann%40sea/rotate", json!({})).await;
    assert_eq!((status, &body["error_code"]), (400, &json!("INVALID_STATE")));
    let (status, body) = admin(&gateway, "POST", "", fields.clone()).await;
    assert_eq!((status, &body["error_code"]), (400, &json!("RESOURCE_ALREADY_EXISTS")));
    assert_eq!(admin(&gateway, "DELETE", "/ann%40sea", json!({})).await.0, 200);
    assert_eq!(admin(&gateway, "POST", "", fields).await.0, 200);
}

#[tokio::test]
async fn keys_outlive_the_gateway_and_reach_its_replicas() {
    let provider = Provider::start().await;
    let (one, folder, db) = start(&provider).await;
    let (_, made) = admin(&one, "POST", "", json!({"name": "ann"})).await;
    let value = made["value"].as_str().unwrap();
    let two = TestGateway::start(&format!("{CHAT}auth: required\nadmin: {{key: {ADMIN}}}\n"), &provider).await;
    assert_eq!(call(&two, &provider, value).await.0, 401);
    two.gateway.use_keys(db).await.unwrap();
    assert_eq!(call(&two, &provider, value).await.0, 200);
    // The configuration changes, the keys of the database stay.
    two.gateway.reload(crate::support::load(&CHAT.replace("BASE", &provider.base)).unwrap()).unwrap();
    assert_eq!(call(&two, &provider, "tg-wrong").await.0, 401);
    assert_eq!(call(&two, &provider, value).await.0, 200);
    admin(&one, "POST", "/ann/revoke", json!({})).await;
    // Within the stated five seconds, and then some for a busy machine.
    let mut last = 0;
    for _ in 0..300 {
        last = call(&two, &provider, value).await.0;
        if last == 401 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(last, 401);
    drop(folder);
}

#[tokio::test]
async fn lists_come_in_pages() {
    let provider = Provider::start().await;
    let (gateway, _folder, _) = start(&provider).await;
    let (status, none) = admin(&gateway, "GET", "", json!({})).await;
    assert_eq!((status, none), (200, json!({"keys": [], "next_page_token": null})));
    for name in ["b", "a", "c"] {
        assert_eq!(admin(&gateway, "POST", "", json!({"name": name})).await.0, 200);
    }
    let names = |page: &Value| -> Vec<String> {
        page["keys"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect()
    };
    let (_, first) = admin(&gateway, "GET", "?max_results=2", json!({})).await;
    assert_eq!(names(&first), ["a", "b"]);
    let token = first["next_page_token"].as_str().unwrap();
    let (_, second) = admin(&gateway, "GET", &format!("?max_results=2&page_token={token}"), json!({})).await;
    assert_eq!((names(&second), &second["next_page_token"]), (vec!["c".to_owned()], &Value::Null));
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let provider = Provider::start().await;
    let (gateway, _folder, _) = start(&provider).await;
    assert_eq!(admin(&gateway, "POST", "", json!({"name": "ann"})).await.0, 200);
    let check = async |method: &str, path: &str, body: Value, (status, code, words): (u16, &str, &str)| {
        let (found, answer) = admin(&gateway, method, path, body).await;
        assert_eq!((found, answer["error_code"].as_str()), (status, Some(code)), "{answer}");
        assert!(answer["message"].as_str().unwrap().contains(words), "{answer}");
    };
    let invalid = |words| (400, "INVALID_PARAMETER_VALUE", words);
    check("POST", "", json!({}), invalid("`name` is missing")).await;
    check("POST", "", json!({"name": "a b"}), invalid("`a b` is no name of a key")).await;
    check("POST", "", json!({"name": "x", "budget": 1}), invalid("a key has no field `budget`")).await;
    check("POST", "", json!({"name": "x", "user": ""}), invalid("`user` is a text")).await;
    check("POST", "", json!({"name": "x", "endpoints": "chat"}), invalid("`endpoints` is a list")).await;
    check("POST", "", json!({"name": "x", "expires": "soon"}), invalid("`expires` is a day")).await;
    check("POST", "", json!({"name": "x", "metadata": {"x": "y".repeat(5000)}}), invalid("at most 4096 bytes")).await;
    let limits = json!([{"requests": 0, "window": "day"}]);
    check("POST", "", json!({"name": "x", "limits": limits}), invalid("`limits[0].requests`")).await;
    let budgets = json!([{"usd": 1, "window": "fortnight"}]);
    check("POST", "", json!({"name": "x", "budgets": budgets}), invalid("`fortnight` is no window")).await;
    check("POST", "", json!(["name"]), invalid("no JSON object")).await;
    check("POST", "", json!({"name": "filed"}), (400, "RESOURCE_ALREADY_EXISTS", "the configuration has a key")).await;
    check("POST", "", json!({"name": "ann"}), (400, "RESOURCE_ALREADY_EXISTS", "named `ann` already")).await;
    check("POST", "/ann/rotate", json!({"overlap_s": -1}), invalid("`overlap_s` is a whole number")).await;
    check("GET", "?max_results=0", json!({}), invalid("from 1 to 1000")).await;
    let missing = (404, "RESOURCE_DOES_NOT_EXIST", "no key of the database is named `bob`");
    for (method, path) in [("GET", "/bob"), ("PATCH", "/bob"), ("DELETE", "/bob"), ("POST", "/bob/revoke")] {
        check(method, path, json!({}), missing).await;
    }
}

#[tokio::test]
async fn keys_are_administered_by_who_has_the_admin_key_alone() {
    let provider = Provider::start().await;
    let (gateway, _folder, db) = start(&provider).await;
    let (status, body) = gateway.get(KEYS).await;
    assert_eq!((status, &body["error_code"]), (401, &json!("UNAUTHENTICATED")));
    let request = gateway.http.get(format!("{}{KEYS}", gateway.base)).bearer_auth("tg-filed-0123456789");
    assert_eq!(request.send().await.unwrap().status(), StatusCode::FORBIDDEN);
    // Without an admin key nobody has it, and without a database there is nothing to administer.
    let open = TestGateway::start(CHAT, &provider).await;
    open.gateway.use_keys(db).await.unwrap();
    let (status, body) = open.get(KEYS).await;
    assert_eq!((status, &body["error_code"]), (403, &json!("PERMISSION_DENIED")));
    assert!(body["message"].as_str().unwrap().contains("set TIDEGATE_ADMIN_KEY"), "{body}");
    let bare = TestGateway::start(&yaml(), &provider).await;
    let (status, body) = admin(&bare, "GET", "", json!({})).await;
    assert_eq!((status, &body["error_code"]), (400, &json!("INVALID_STATE")));
}
