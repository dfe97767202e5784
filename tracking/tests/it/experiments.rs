//! Experiments over HTTP.

use serde_json::json;

use crate::{
    databases::{Kind, kind},
    server::TestServer,
};

each_database!(default_is_there_from_the_start);
async fn default_is_there_from_the_start() {
    let server = TestServer::start().await;
    let found = server.get("experiments/get?experiment_id=0").await.ok();
    assert_eq!(found["experiment"]["name"], "Default");
    assert_eq!(found["experiment"]["artifact_location"], "mlflow-artifacts:/0");
    assert_eq!(found["experiment"]["lifecycle_stage"], "active");
    assert_eq!(found["experiment"]["workspace"], "default");
}

each_database!(an_experiment_lives_is_binned_and_comes_back);
async fn an_experiment_lives_is_binned_and_comes_back() {
    let server = TestServer::start().await;
    let tags = json!([{ "key": "a", "value": "b" }]);
    let id = server.post("experiments/create", json!({ "name": "wine", "tags": tags })).await.ok();
    assert_eq!(id, json!({ "experiment_id": "1" }));
    let run = server.run("1", "r", 1).await;

    let found = server.get("experiments/get-by-name?experiment_name=wine").await.ok();
    assert_eq!(found["experiment"]["tags"], tags);
    assert_eq!(found["experiment"]["artifact_location"], "mlflow-artifacts:/1");
    assert_eq!(found["experiment"]["creation_time"], found["experiment"]["last_update_time"]);

    let body = json!({ "experiment_id": "1" });
    assert_eq!(server.post("experiments/delete", body.clone()).await.ok(), json!({}));
    let message = server.post("experiments/delete", body.clone()).await.error(404, "RESOURCE_DOES_NOT_EXIST");
    assert_eq!(message, "No Experiment with id=1 exists");
    let stage = |answer: serde_json::Value| answer["experiment"]["lifecycle_stage"].as_str().unwrap().to_owned();
    assert_eq!(stage(server.get("experiments/get?experiment_id=1").await.ok()), "deleted");
    let in_bin = server.get(&format!("runs/get?run_id={run}")).await.ok();
    assert_eq!(in_bin["run"]["info"]["lifecycle_stage"], "deleted");
    let message = server.post("runs/create", body.clone()).await.refused();
    assert_eq!(message, "The experiment 1 must be in the 'active' state. Current state is deleted.");
    let message = server.post("experiments/update", json!({ "experiment_id": "1", "new_name": "x" })).await;
    assert_eq!(message.error(400, "INVALID_STATE"), "Cannot rename a non-active experiment.");
    let message = server.post("experiments/create", json!({ "name": "wine" })).await;
    let message = message.error(400, "RESOURCE_ALREADY_EXISTS");
    assert!(message.starts_with("Experiment(name=wine) already exists."), "{message}");

    server.post("experiments/restore", body.clone()).await.ok();
    assert_eq!(stage(server.get("experiments/get?experiment_id=1").await.ok()), "active");
    let back = server.get(&format!("runs/get?run_id={run}")).await.ok();
    assert_eq!(back["run"]["info"]["lifecycle_stage"], "active");
    server.post("experiments/restore", body).await.error(404, "RESOURCE_DOES_NOT_EXIST");

    server.post("experiments/update", json!({ "experiment_id": "1", "new_name": "red wine" })).await.ok();
    server.get("experiments/get-by-name?experiment_name=wine").await.error(404, "RESOURCE_DOES_NOT_EXIST");
    server.get("experiments/get-by-name?experiment_name=red%20wine").await.ok();
}

each_database!(tags_are_set_replaced_and_taken_off);
async fn tags_are_set_replaced_and_taken_off() {
    let server = TestServer::start().await;
    server.experiment("wine").await;
    for value in ["1", "2"] {
        let tag = json!({ "experiment_id": "1", "key": "k", "value": value });
        server.post("experiments/set-experiment-tag", tag).await.ok();
    }
    let found = server.get("experiments/get?experiment_id=1").await.ok();
    assert_eq!(found["experiment"]["tags"], json!([{ "key": "k", "value": "2" }]));
    let tag = json!({ "experiment_id": "1", "key": "k" });
    server.post("experiments/delete-experiment-tag", tag.clone()).await.ok();
    let message = server.post("experiments/delete-experiment-tag", tag).await.error(404, "RESOURCE_DOES_NOT_EXIST");
    assert_eq!(message, "No tag with name: k in experiment with id 1");
    let tag = json!({ "experiment_id": "1", "key": "k", "value": "x".repeat(20_001) });
    let message = server.post("experiments/set-experiment-tag", tag).await.refused();
    assert_eq!(message, "'value' exceeds the maximum length of 20000 characters");
}

each_database!(search_filters_sorts_and_pages);
async fn search_filters_sorts_and_pages() {
    let server = TestServer::start().await;
    for name in ["alpha", "beta", "Alpine"] {
        server.experiment(name).await;
    }
    server.post("experiments/set-experiment-tag", json!({ "experiment_id": "2", "key": "t", "value": "v" })).await.ok();
    let names = async |filter: &str, order_by: &[&str]| {
        let body = json!({ "max_results": 10, "filter": filter, "order_by": order_by });
        let found = server.post("experiments/search", body).await.ok();
        let all = found["experiments"].as_array().cloned().unwrap_or_default();
        all.iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names("name LIKE 'al%'", &[]).await, "alpha");
    // MySQL sorts as people do, the others by code point.
    let (up, down) =
        if matches!(kind(), Kind::MySql) { ("alpha Alpine", "Alpine alpha") } else { ("Alpine alpha", "alpha Alpine") };
    assert_eq!(names("name ILIKE 'al%'", &["name ASC"]).await, up);
    assert_eq!(names("tags.t = 'v'", &[]).await, "beta");
    assert_eq!(names("tags.t IS NULL AND experiment_id != '0'", &["experiment_id"]).await, "alpha Alpine");
    assert_eq!(names("experiment_id IN ('1', '3')", &["name DESC"]).await, down);
    assert_eq!(names("creation_time < 0", &[]).await, "");

    let mut token = json!(null);
    let mut seen = Vec::new();
    for page in 0..4 {
        let body = json!({ "max_results": 1, "order_by": ["experiment_id DESC"], "page_token": token });
        let found = server.post("experiments/search", body).await.ok();
        seen.push(found["experiments"][0]["experiment_id"].as_str().unwrap().to_owned());
        token = found["next_page_token"].clone();
        assert_eq!(token.is_null(), page == 3);
    }
    assert_eq!(seen, ["3", "2", "1", "0"]);
}

each_database!(bad_requests_say_what_is_wrong);
async fn bad_requests_say_what_is_wrong() {
    let server = TestServer::start().await;
    let docs = " See the API docs for more information about request parameters.";
    let check = async |path: &str, body: &str, expect: &str| {
        let message = server.post_text(path, body).await.refused();
        assert_eq!(message, expect, "{path} {body}");
    };
    check("experiments/create", "{}", &format!("Missing value for required parameter 'name'.{docs}")).await;
    check(
        "experiments/create",
        r#"{"name": 123}"#,
        &format!("Invalid value 123 for parameter 'name' supplied:  Hint: Value was of type 'int'.{docs}"),
    )
    .await;
    check(
        "experiments/create",
        r#"{"name":"#,
        "Malformed JSON in the request body: EOF while parsing a value at line 1 column 8.",
    )
    .await;
    check("experiments/create", "[]", "The request body must be a JSON object, not a value of type 'list'.").await;
    check(
        "experiments/search",
        r#"{"maxResults": 1, "max_results": 1}"#,
        "Request specifies both 'max_results' and 'maxResults'; provide only one of them.",
    )
    .await;
    check(
        "experiments/search",
        "{}",
        "Invalid value 0 for parameter 'max_results' supplied. It must be a positive integer",
    )
    .await;
    check(
        "experiments/search",
        r#"{"max_results": 50001}"#,
        "Invalid value 50001 for parameter 'max_results' supplied. It must be at most 50000",
    )
    .await;
    check(
        "experiments/search",
        r#"{"max_results": 1, "page_token": "zzz"}"#,
        "Invalid page token, could not base64-decode",
    )
    .await;
    check(
        "experiments/search",
        r#"{"max_results": 1, "view_type": "SOME"}"#,
        "Invalid value \"SOME\" for parameter 'view_type' supplied. It must be one of: ACTIVE_ONLY, DELETED_ONLY, ALL.",
    )
    .await;
    check(
        "experiments/create",
        r#"{"name": "x", "artifact_location": "runs:/a"}"#,
        "Artifact location cannot be a runs:/ URI. Given: 'runs:/a'",
    )
    .await;
    let message = server.get("experiments/get?experiment_id=abc").await.refused();
    assert_eq!(message, "Invalid experiment ID 'abc'. Experiment ID must be a valid integer.");
    let all = server.get("experiments/search?max_results=10").await.ok();
    assert_eq!(all["experiments"].as_array().unwrap().len(), 1, "nothing was created on the way");
}
