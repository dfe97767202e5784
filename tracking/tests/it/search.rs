//! Searching runs over HTTP.

use serde_json::{Value, json};

use crate::{
    databases::{Kind, kind},
    server::TestServer,
};

/// Runs `a`, `b` and `c`, started in this order, with metrics, params, tags and a dataset.
async fn three_runs() -> TestServer {
    let server = TestServer::start().await;
    server.experiment("wine").await;
    for (place, name) in (1..).zip(["a", "b", "c"]) {
        let id = server.run("1", name, place).await;
        let (metrics, model) = match name {
            "a" => (json!([{ "key": "rmse", "value": 0.5, "timestamp": 1 }]), "Linear"),
            "b" => (
                json!([{ "key": "rmse", "value": 0.1, "timestamp": 1 }, { "key": "a b", "value": 1, "timestamp": 1 }]),
                "tree",
            ),
            _ => (json!([{ "key": "rmse", "value": "NaN", "timestamp": 1 }]), "linear"),
        };
        let params = json!([{ "key": "model", "value": model }]);
        server.post("runs/log-batch", json!({ "run_id": id, "metrics": metrics, "params": params })).await.ok();
        if name == "b" {
            server.post("runs/set-tag", json!({ "run_id": id, "key": "team.x", "value": "red" })).await.ok();
            let dataset = json!({ "name": "reds", "digest": "d1", "source_type": "local", "source": "{}" });
            let tags = json!([{ "key": "mlflow.data.context", "value": "eval" }]);
            let inputs = json!({ "run_id": id, "datasets": [{ "dataset": dataset, "tags": tags }] });
            server.post("runs/log-inputs", inputs).await.ok();
            server.post("runs/update", json!({ "run_id": id, "status": "FINISHED", "end_time": 9 })).await.ok();
        }
    }
    server
}

async fn names(server: &TestServer, mut body: Value) -> String {
    body["experiment_ids"] = json!(["1"]);
    let found = server.post("runs/search", body).await.ok();
    let all = found["runs"].as_array().cloned().unwrap_or_default();
    all.iter().map(|it| it["info"]["run_name"].as_str().unwrap()).collect::<Vec<_>>().join("")
}

each_database!(filters_find_runs);
async fn filters_find_runs() {
    let server = three_runs().await;
    let check = async |filter: &str, expect: &str| {
        let body = json!({ "filter": filter, "order_by": ["start_time ASC"] });
        assert_eq!(names(&server, body).await, expect, "{filter}");
    };
    check("", "abc").await;
    check("metrics.rmse < 0.3", "b").await;
    check("metrics.rmse <= 0.5 and params.model ILIKE 'lin%'", "a").await;
    check("metric.rmse != 0.1", "ac").await;
    check("metrics.rmse > -1", "ab").await;
    check("metrics.`a b` = 1", "b").await;
    check("metrics.\"a b\" >= 1e0", "b").await;
    check("params.model LIKE 'lin%'", "c").await;
    check("params.model != \"tree\"", "ac").await;
    check("params.other != 'x'", "").await;
    check("tags.team.x = 'red'", "b").await;
    check("tag.`team.x` IS NULL", "ac").await;
    check("params.model IS NOT NULL", "abc").await;
    check("attributes.run_name = 'b'", "b").await;
    check("`run name` LIKE '%c'", "c").await;
    check("tags.mlflow.runName = 'a'", "a").await;
    check("status = 'FINISHED'", "b").await;
    check("attr.status != 'FINISHED'", "ac").await;
    check("start_time >= 2 AND attributes.created < 3", "b").await;
    check("end_time = 9", "b").await;
    check("run_id IN ('x', 'y')", "").await;
    check("run_id NOT IN ('x')", "abc").await;
    check("artifact_uri LIKE 'mlflow-artifacts:/1/%'", "abc").await;
    check("dataset.name = 'reds'", "b").await;
    check("datasets.digest IN ('d1', 'd2')", "b").await;
    check("dataset.context = 'eval'", "b").await;
    check("dataset.context != 'eval'", "").await;
}

each_database!(runs_without_the_value_come_last_in_both_directions);
async fn runs_without_the_value_come_last_in_both_directions() {
    let server = three_runs().await;
    server.run("1", "d", 0).await;
    let check = async |order_by: &[&str], expect: &str| {
        assert_eq!(names(&server, json!({ "order_by": order_by })).await, expect, "{order_by:?}");
    };
    check(&[], "cbad").await;
    check(&["metrics.rmse"], "bacd").await;
    check(&["metrics.rmse DESC"], "abcd").await;
    // `Linear`, `linear` and `tree`; for MySQL the first two are equal, and the later start comes first.
    let folds_case = matches!(kind(), Kind::MySql);
    check(&["params.model ASC"], if folds_case { "cabd" } else { "acbd" }).await;
    check(&["params.model desc"], "bcad").await;
    check(&["tags.`team.x`", "start_time ASC"], "bdac").await;
    check(&["attributes.start_time"], "dabc").await;
    check(&["run_name DESC"], "dcba").await;
    check(&["status", "created ASC"], "bdac").await;
    check(&["metrics.none", "params.none DESC"], "cbad").await;
}

each_database!(pages_follow_each_other);
async fn pages_follow_each_other() {
    let server = three_runs().await;
    let page = async |token: Value| {
        let body = json!({
            "experiment_ids": ["1"], "max_results": 2, "order_by": ["metrics.rmse DESC"], "page_token": token,
        });
        server.post("runs/search", body).await.ok()
    };
    let first = page(json!(null)).await;
    assert_eq!(first["runs"].as_array().unwrap().len(), 2);
    let second = page(first["next_page_token"].clone()).await;
    assert_eq!(second["runs"][0]["info"]["run_name"], "c");
    assert_eq!(second["runs"][0]["data"]["metrics"][0]["value"], "NaN");
    assert_eq!(second.get("next_page_token"), None);
}

each_database!(the_bin_is_searched_only_when_asked);
async fn the_bin_is_searched_only_when_asked() {
    let server = three_runs().await;
    let found = server.post("runs/search", json!({ "experiment_ids": ["1"], "filter": "run_name = 'a'" })).await.ok();
    let id = &found["runs"][0]["info"]["run_id"];
    server.post("runs/delete", json!({ "run_id": id })).await.ok();
    assert_eq!(names(&server, json!({})).await, "cb");
    assert_eq!(names(&server, json!({ "run_view_type": "DELETED_ONLY" })).await, "a");
    assert_eq!(names(&server, json!({ "run_view_type": 3 })).await, "cba");
    assert_eq!(server.post("runs/search", json!({})).await.ok(), json!({}), "no experiments, no runs");
}

each_database!(a_search_finds_each_run_whole);
async fn a_search_finds_each_run_whole() {
    let server = three_runs().await;
    let found = server.post("runs/search", json!({ "experiment_ids": ["1"], "filter": "run_name = 'b'" })).await.ok();
    let id = found["runs"][0]["info"]["run_id"].as_str().unwrap();
    let read = server.get(&format!("runs/get?run_id={id}")).await.ok();
    assert_eq!(found["runs"][0], read["run"]);
    assert_eq!(read["run"]["inputs"]["dataset_inputs"][0]["dataset"]["name"], "reds");
}

each_database!(the_largest_search_is_one_that_the_database_takes);
async fn the_largest_search_is_one_that_the_database_takes() {
    let server = three_runs().await;
    let filter = ["metrics.rmse != 7"; 40].join(" AND ");
    let lists = format!(" AND run_id NOT IN ('x'{})", ",'x'".repeat(4_000));
    let attributes = " AND status != 'KILLED'".repeat(59);
    let order_by: Vec<String> = (0..20).map(|n| format!("params.p{n}")).collect();
    let experiment_ids: Vec<String> = (1..=10_000).map(|id| id.to_string()).collect();
    let body = json!({
        "experiment_ids": experiment_ids, "filter": format!("{filter}{lists}{attributes}"), "order_by": order_by,
        "max_results": 50_000,
    });
    let found = server.post("runs/search", body).await.ok();
    assert_eq!(found["runs"].as_array().unwrap().len(), 3);
}

each_database!(what_does_not_parse_is_refused);
async fn what_does_not_parse_is_refused() {
    let server = three_runs().await;
    let check = async |body: Value, expect: &str| {
        let mut body = body;
        body["experiment_ids"] = json!(["1"]);
        assert_eq!(server.post("runs/search", body.clone()).await.refused(), expect, "{body}");
    };
    check(json!({ "filter": "metrics.i >" }), "Invalid clause(s) in filter string: 'metrics.i', '>'").await;
    check(json!({ "filter": "metrics.i = 'x'" }), "Expected numeric value type for metric. Found 'x'").await;
    check(json!({ "order_by": ["rmse down"] }), "Invalid ordering key in order_by clause 'rmse down'.").await;
    check(
        json!({ "filter": "a'; DROP TABLE runs; --" }),
        "Search filter contained multiple expression \"a'; DROP TABLE runs; --\". Provide AND-ed expression list.",
    )
    .await;
    check(
        json!({ "max_results": 0 }),
        "Invalid value 0 for parameter 'max_results' supplied. It must be a positive integer",
    )
    .await;
}

each_database!(a_search_that_is_repeated_sees_what_was_written_since);
async fn a_search_that_is_repeated_sees_what_was_written_since() {
    let server = three_runs().await;
    let search = json!({ "filter": "metrics.rmse < 10", "order_by": ["metrics.rmse DESC"] });
    for _ in 0..4 {
        assert_eq!(names(&server, search.clone()).await, "ab");
    }
    let found = server.post("runs/search", json!({ "experiment_ids": ["1"], "filter": "run_name = 'b'" })).await.ok();
    let metric =
        json!({ "key": "rmse", "value": 9, "timestamp": 2, "step": 1, "run_id": found["runs"][0]["info"]["run_id"] });
    server.post("runs/log-metric", metric).await.ok();
    for _ in 0..4 {
        assert_eq!(names(&server, search.clone()).await, "ba");
    }
    let mut page = search.clone();
    page["max_results"] = json!(1);
    page["experiment_ids"] = json!(["1"]);
    let first = server.post("runs/search", page.clone()).await.ok();
    assert_eq!(first["runs"][0]["info"]["run_name"], "b");
    page["page_token"] = first["next_page_token"].clone();
    let second = server.post("runs/search", page).await.ok();
    assert_eq!(second["runs"][0]["info"]["run_name"], "a");
    assert_eq!(second["next_page_token"], Value::Null);
}
