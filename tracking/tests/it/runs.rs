//! Runs and what they log, over HTTP.

use serde_json::{Value, json};

use crate::server::TestServer;

async fn run(server: &TestServer, run_id: &str) -> Value {
    server.get(&format!("runs/get?run_id={run_id}")).await.ok()["run"].clone()
}

each_database!(a_run_starts_with_its_name_tags_and_artifact_uri);
async fn a_run_starts_with_its_name_tags_and_artifact_uri() {
    let server = TestServer::start().await;
    let body = json!({
        "experiment_id": "0", "start_time": "1700000000000", "user_id": "me", "run_name": "first",
        "tags": [{ "key": "k", "value": "v" }],
    });
    let answer = server.post("runs/create", body).await.ok();
    let id = answer["run"]["info"]["run_id"].as_str().unwrap();
    assert_eq!(id.len(), 32);
    let expect = json!({
        "info": {
            "run_uuid": id, "experiment_id": "0", "run_name": "first", "user_id": "me", "status": "RUNNING",
            "start_time": 1_700_000_000_000_i64, "artifact_uri": format!("mlflow-artifacts:/0/{id}/artifacts"),
            "lifecycle_stage": "active", "run_id": id,
        },
        "data": { "tags": [{ "key": "k", "value": "v" }, { "key": "mlflow.runName", "value": "first" }] },
        "inputs": {},
    });
    assert_eq!(answer["run"], expect);
    let mut read = expect;
    read["outputs"] = json!({});
    assert_eq!(run(&server, id).await, read);
}

each_database!(a_name_comes_from_the_argument_the_tag_or_chance);
async fn a_name_comes_from_the_argument_the_tag_or_chance() {
    let server = TestServer::start().await;
    let tag = |name: &str| json!([{ "key": "mlflow.runName", "value": name }]);
    let answer = server.post("runs/create", json!({ "experiment_id": "0", "tags": tag("tagged") })).await.ok();
    assert_eq!(answer["run"]["info"]["run_name"], "tagged");
    let answer = server.post("runs/create", json!({ "experiment_id": "0" })).await.ok();
    let name = answer["run"]["info"]["run_name"].as_str().unwrap();
    assert_eq!(name.split('-').count(), 3, "{name}");
    assert_eq!(answer["run"]["data"]["tags"], tag(name));
    let body = json!({ "experiment_id": "0", "run_name": "a", "tags": tag("b") });
    assert_eq!(
        server.post("runs/create", body).await.refused(),
        "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values (run_name='a', \
         mlflow.runName='b')."
    );
}

each_database!(the_latest_metric_is_the_one_with_the_highest_step_then_time_then_value);
async fn the_latest_metric_is_the_one_with_the_highest_step_then_time_then_value() {
    let server = TestServer::start().await;
    let id = server.run("0", "r", 1).await;
    let log = async |value: Value, timestamp: i64, step: i64| {
        let body = json!({ "run_id": id, "key": "loss", "value": value, "timestamp": timestamp, "step": step });
        server.post("runs/log-metric", body).await.ok();
        run(&server, &id).await["data"]["metrics"][0].clone()
    };
    let metric = |value: Value, timestamp: i64, step: i64| json!({ "key": "loss", "value": value, "timestamp": timestamp, "step": step });
    assert_eq!(log(json!(1.0), 10, 0).await, metric(json!(1.0), 10, 0));
    assert_eq!(log(json!(2.0), 10, 0).await, metric(json!(2.0), 10, 0), "same step and time: the higher value");
    assert_eq!(log(json!(9.0), 5, 0).await, metric(json!(2.0), 10, 0), "earlier");
    assert_eq!(log(json!(0.5), 11, 0).await, metric(json!(0.5), 11, 0), "later");
    assert_eq!(log(json!("NaN"), 1, 3).await, metric(json!("NaN"), 1, 3), "a higher step");
    assert_eq!(log(json!("Infinity"), 1, 2).await, metric(json!("NaN"), 1, 3), "a lower step");
    assert_eq!(log(json!("Infinity"), 1, 2).await, metric(json!("NaN"), 1, 3), "the same again");

    let history = server.get(&format!("metrics/get-history?run_id={id}&metric_key=loss")).await.ok();
    let expect = [
        metric(json!(f64::MAX), 1, 2),
        metric(json!("NaN"), 1, 3),
        metric(json!(9.0), 5, 0),
        metric(json!(1.0), 10, 0),
        metric(json!(2.0), 10, 0),
        metric(json!(0.5), 11, 0),
    ];
    assert_eq!(history["metrics"], json!(expect));

    let page = |rest: &str| format!("metrics/get-history?run_id={id}&metric_key=loss&max_results=4{rest}");
    let first = server.get(&page("")).await.ok();
    assert_eq!(first["metrics"], json!(expect[..4]));
    let token = first["next_page_token"].as_str().unwrap();
    let second = server.get(&page(&format!("&page_token={token}"))).await.ok();
    assert_eq!(second, json!({ "metrics": expect[4..] }));
}

each_database!(a_batch_logs_everything_or_nothing);
async fn a_batch_logs_everything_or_nothing() {
    let server = TestServer::start().await;
    let id = server.run("0", "r", 1).await;
    let metrics: Vec<Value> = (0..800)
        .map(|step| json!({ "key": format!("m{}", step % 4), "value": step, "timestamp": 7, "step": step }))
        .collect();
    let batch = json!({
        "run_id": id, "metrics": metrics,
        "params": [{ "key": "p", "value": "1" }, { "key": "q", "value": "x".repeat(7000) }],
        "tags": [{ "key": "t", "value": "1" }, { "key": "t", "value": "2" }, { "key": "mlflow.runName", "value": "new" }],
    });
    assert_eq!(server.post("runs/log-batch", batch).await.ok(), json!({}));
    let after = run(&server, &id).await;
    let values: Vec<_> = after["data"]["metrics"].as_array().unwrap().iter().map(|it| &it["value"]).collect();
    assert_eq!(json!(values), json!([796.0, 797.0, 798.0, 799.0]));
    assert_eq!(
        after["data"]["params"],
        json!([{ "key": "p", "value": "1" }, { "key": "q", "value": "x".repeat(6000) }])
    );
    assert_eq!(after["info"]["run_name"], "new");
    let history = server.get(&format!("metrics/get-history?run_id={id}&metric_key=m1")).await.ok();
    assert_eq!(history["metrics"].as_array().unwrap().len(), 200);

    let conflict = json!({
        "run_id": id, "metrics": [{ "key": "never", "value": 1, "timestamp": 1 }],
        "params": [{ "key": "new", "value": "1" }, { "key": "p", "value": "it's" }],
    });
    assert_eq!(
        server.post("runs/log-batch", conflict).await.refused(),
        format!(
            "Changing param values is not allowed. Params were already logged='[{{'key': 'p', 'old_value': '1', \
             'new_value': \"it's\"}}]' for run ID='{id}'."
        )
    );
    assert_eq!(run(&server, &id).await, after, "nothing of the refused batch was kept");
}

each_database!(batches_have_limits);
async fn batches_have_limits() {
    let server = TestServer::start().await;
    let id = server.run("0", "r", 1).await;
    let before = run(&server, &id).await;
    let params = |count: usize| (0..count).map(|n| json!({ "key": format!("p{n}"), "value": "1" })).collect::<Vec<_>>();
    let metrics = |count: usize| {
        (0..count).map(|n| json!({ "key": "m", "value": 1, "timestamp": 1, "step": n })).collect::<Vec<_>>()
    };
    let check = async |body: Value, expect: &str| {
        let mut body = body;
        body["run_id"] = json!(id);
        assert_eq!(server.post("runs/log-batch", body).await.refused(), expect);
    };
    let too_many = |limit: usize, what: &str, count: usize| {
        format!(
            "A batch logging request can contain at most {limit} {what}. Got {count} {what}. Please split up {what} \
             across multiple requests and try again."
        )
    };
    check(json!({ "params": params(101) }), &too_many(100, "params", 101)).await;
    check(json!({ "tags": params(101) }), &too_many(100, "tags", 101)).await;
    check(json!({ "metrics": metrics(1001) }), &too_many(1000, "metrics", 1001)).await;
    let all = json!({ "metrics": metrics(950), "params": params(60) });
    check(all, &too_many(1000, "metrics, params, and tags", 1010)).await;
    check(
        json!({ "params": [{ "key": "d", "value": "1" }, { "key": "d", "value": "1" }] }),
        "Duplicate parameter keys have been submitted: ['d']. Please ensure the request contains only one param value \
         per param key.",
    )
    .await;
    check(
        json!({ "metrics": [{ "key": "m", "value": 1, "timestamp": 1 }, { "key": "m", "timestamp": 3 }] }),
        "Missing value for required parameter 'metrics[1].value'. See the API docs for more information about request \
         parameters.",
    )
    .await;
    check(
        json!({ "metrics": [{ "key": "a/../b", "value": 1, "timestamp": 1 }] }),
        "Invalid value \"a/../b\" for parameter 'metrics[0].name' supplied: Names may be treated as files in certain \
         cases, and must not resolve to other names when treated as such. This name would resolve to 'b'",
    )
    .await;
    assert_eq!(run(&server, &id).await, before, "nothing of the refused batches was kept");
}

each_database!(params_never_change);
async fn params_never_change() {
    let server = TestServer::start().await;
    let id = server.run("0", "r", 1).await;
    let log = async |value: &str| {
        server.post("runs/log-parameter", json!({ "run_id": id, "key": "p", "value": value })).await
    };
    log("1").await.ok();
    log("1").await.ok();
    assert_eq!(
        log("2").await.refused(),
        format!(
            "Changing param values is not allowed. Param with key='p' was already logged with value='1' for run \
             ID='{id}'. Attempted logging new value '2'."
        )
    );
    assert_eq!(run(&server, &id).await["data"]["params"], json!([{ "key": "p", "value": "1" }]));
}

each_database!(tags_rename_and_go);
async fn tags_rename_and_go() {
    let server = TestServer::start().await;
    let id = server.run("0", "r", 1).await;
    let set = async |key: &str, value: &str| {
        server.post("runs/set-tag", json!({ "run_id": id, "key": key, "value": value })).await.ok();
    };
    set("mlflow.runName", "renamed").await;
    set("t", &"v".repeat(9000)).await;
    set("t2", "x").await;
    server.post("runs/delete-tag", json!({ "run_id": id, "key": "t2" })).await.ok();
    let found = run(&server, &id).await;
    assert_eq!(found["info"]["run_name"], "renamed");
    let expect = json!([{ "key": "mlflow.runName", "value": "renamed" }, { "key": "t", "value": "v".repeat(8000) }]);
    assert_eq!(found["data"]["tags"], expect);
    let message = server.post("runs/delete-tag", json!({ "run_id": id, "key": "t2" })).await;
    assert_eq!(message.error(404, "RESOURCE_DOES_NOT_EXIST"), format!("No tag with name: t2 in run with id {id}"));
}

each_database!(a_run_ends_is_binned_and_comes_back);
async fn a_run_ends_is_binned_and_comes_back() {
    let server = TestServer::start().await;
    let id = server.run("0", "r", 1).await;
    let body = json!({ "run_id": id, "status": "FINISHED", "end_time": 1_700_000_001_000_i64, "run_name": "" });
    let updated = server.post("runs/update", body).await.ok();
    assert_eq!(updated["run_info"]["status"], "FINISHED");
    assert_eq!(updated["run_info"]["end_time"], 1_700_000_001_000_i64);
    assert_eq!(updated["run_info"]["run_name"], "r");
    let message = server.post("runs/update", json!({ "run_id": id, "status": "NOPE" })).await.refused();
    assert_eq!(
        message,
        "Invalid value \"NOPE\" for parameter 'status' supplied. It must be one of: RUNNING, SCHEDULED, FINISHED, \
         FAILED, KILLED."
    );

    server.post("runs/delete", json!({ "run_id": id })).await.ok();
    let gone = format!("The run {id} must be in the 'active' state. Current state is deleted.");
    for (path, body) in [
        ("runs/log-metric", json!({ "run_id": id, "key": "m", "value": 1, "timestamp": 1 })),
        ("runs/log-parameter", json!({ "run_id": id, "key": "p", "value": "1" })),
        ("runs/set-tag", json!({ "run_id": id, "key": "t", "value": "1" })),
        ("runs/log-batch", json!({ "run_id": id })),
        ("runs/log-inputs", json!({ "run_id": id })),
        ("runs/update", json!({ "run_id": id, "status": "FAILED" })),
    ] {
        assert_eq!(server.post(path, body).await.refused(), gone, "{path}");
    }
    server.post("runs/restore", json!({ "run_id": id })).await.ok();
    server.post("runs/restore", json!({ "run_id": id })).await.ok();
    assert_eq!(run(&server, &id).await["info"]["lifecycle_stage"], "active");

    let nobody = "f".repeat(32);
    for path in ["runs/delete", "runs/restore"] {
        let message = server.post(path, json!({ "run_id": nobody })).await.error(404, "RESOURCE_DOES_NOT_EXIST");
        assert_eq!(message, format!("Run with id={nobody} not found"));
    }
}

each_database!(datasets_and_models_are_inputs_and_outputs);
async fn datasets_and_models_are_inputs_and_outputs() {
    let server = TestServer::start().await;
    let (first, second) = (server.run("0", "a", 1).await, server.run("0", "b", 2).await);
    let dataset = json!({ "name": "wine", "digest": "abc", "source_type": "local", "source": "{}", "profile": "p" });
    let input = json!({ "dataset": dataset, "tags": [{ "key": "mlflow.data.context", "value": "train" }] });
    for id in [&first, &second, &second] {
        let body = json!({ "run_id": id, "datasets": [input, input], "models": [{ "model_id": "m-1" }] });
        server.post("runs/log-inputs", body).await.ok();
    }
    server.post("runs/outputs", json!({ "run_id": first, "models": [{ "model_id": "m-2", "step": 3 }] })).await.ok();
    let found = run(&server, &first).await;
    let expect = json!({
        "dataset_inputs": [{ "tags": [{ "key": "mlflow.data.context", "value": "train" }], "dataset": dataset }],
        "model_inputs": [{ "model_id": "m-1" }],
    });
    assert_eq!(found["inputs"], expect);
    assert_eq!(found["outputs"], json!({ "model_outputs": [{ "model_id": "m-2", "step": 3 }] }));
    assert_eq!(run(&server, &second).await["inputs"], expect);
    let summaries = server.post("experiments/search-datasets", json!({ "experiment_ids": ["0"] })).await.ok();
    let expect = json!([{ "experiment_id": "0", "name": "wine", "digest": "abc", "context": "train" }]);
    assert_eq!(summaries["dataset_summaries"], expect);

    let long = json!({ "dataset": { "name": "x".repeat(501), "digest": "a", "source_type": "s", "source": "" } });
    let message = server.post("runs/log-inputs", json!({ "run_id": first, "datasets": [long] })).await.refused();
    assert_eq!(message, "'name' exceeds the maximum length of 500 characters");
}

each_database!(histories_of_several_runs);
async fn histories_of_several_runs() {
    let server = TestServer::start().await;
    let mut ids = [server.run("0", "a", 1).await, server.run("0", "b", 2).await];
    ids.sort();
    for (id, count) in ids.iter().zip([10_i64, 2]) {
        let metrics: Vec<_> =
            (0..count).map(|step| json!({ "key": "m", "value": step, "timestamp": 5, "step": step })).collect();
        server.post("runs/log-batch", json!({ "run_id": id, "metrics": metrics })).await.ok();
    }
    let steps = |answer: &Value| -> Vec<(String, i64)> {
        let all = answer["metrics"].as_array().unwrap().iter();
        all.map(|it| (it["run_id"].as_str().unwrap().to_owned(), it["step"].as_i64().unwrap())).collect()
    };
    let on = |run: usize, steps: &[i64]| steps.iter().map(|step| (ids[run].clone(), *step)).collect::<Vec<_>>();
    let both = format!("{0}={1}&{0}={2}", "run_ids", ids[1], ids[0]);
    let sampled =
        server.get(&format!("metrics/get-history-bulk-interval?{both}&metric_key=m&max_results=4")).await.ok();
    assert_eq!(steps(&sampled), [on(1, &[0, 1]), on(0, &[0, 3, 6, 9])].concat());
    let one = format!("metrics/get-history-bulk-interval?run_ids={}&metric_key=m", ids[0]);
    assert_eq!(steps(&server.get(&format!("{one}&max_results=1")).await.ok()), on(0, &[9]));
    assert_eq!(steps(&server.get(&format!("{one}&start_step=2&end_step=4")).await.ok()), on(0, &[2, 3, 4]));
    let message = server.get(&format!("{one}&start_step=2")).await.refused();
    assert_eq!(message, "If either start step or end step are specified, both must be specified.");

    // Values of one step follow their times.
    let ties: Vec<_> = [(3, 7), (1, 9), (2, 7), (2, 8)]
        .into_iter()
        .map(|(timestamp, step)| json!({ "key": "tied", "value": timestamp, "timestamp": timestamp, "step": step }))
        .collect();
    server.post("runs/log-batch", json!({ "run_id": ids[0], "metrics": ties })).await.ok();
    let tied = format!("metrics/get-history-bulk-interval?run_ids={}&metric_key=tied", ids[0]);
    let times = |answer: &Value| -> Vec<i64> {
        answer["metrics"].as_array().unwrap().iter().map(|it| it["timestamp"].as_i64().unwrap()).collect()
    };
    assert_eq!(times(&server.get(&tied).await.ok()), [2, 3, 2, 1]);
    assert_eq!(times(&server.get(&format!("{tied}&max_results=3")).await.ok()), [2, 2, 1]);

    let bulk = format!("/ajax-api/2.0/mlflow/metrics/get-history-bulk?run_id={}&run_id={}", ids[0], ids[1]);
    let found = server.get_at(&format!("{bulk}&metric_key=m&max_results=11")).await.ok();
    assert_eq!(steps(&found), [on(0, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]), on(1, &[0])].concat());
    assert_eq!(server.get_at(&format!("{bulk}&metric_key=none")).await.ok(), json!({ "metrics": [] }));
}

each_database!(bad_requests_say_what_is_wrong);
async fn bad_requests_say_what_is_wrong() {
    let server = TestServer::start().await;
    let id = server.run("0", "r", 1).await;
    let docs = "See the API docs for more information about request parameters.";
    let check = async |path: &str, body: &str, expect: &str| {
        let body = body.replace("RUN", &id);
        let message = server.post_text(path, &body).await.refused();
        assert!(message.starts_with(expect), "{path} {body}: {message}");
    };
    let log = "runs/log-metric";
    check(
        log,
        r#"{"run_id": "RUN", "key": "x", "value": 3}"#,
        &format!("Missing value for required parameter 'timestamp'. {docs}"),
    )
    .await;
    check(log, r#"{"key": "x", "value": 3, "timestamp": 1}"#, "Missing value for required parameter 'run_id'.").await;
    check(
        log,
        r#"{"run_id": "RUN", "key": "x", "value": "abc", "timestamp": 1}"#,
        "Invalid value \"abc\" for parameter 'value' supplied:  Hint: Value was of type 'str'.",
    )
    .await;
    check(
        log,
        r#"{"run_id": "RUN", "key": "x", "value": NaN, "timestamp": 1}"#,
        "Malformed JSON in the request body: expected value at line 1 column",
    )
    .await;
    check(
        log,
        r#"{"run_id": "RUN", "key": "x", "value": 1, "timestamp": -1}"#,
        "Invalid value -1 for parameter 'timest",
    )
    .await;
    check(
        log,
        r#"{"run_id": "RUN", "key": "a?b", "value": 3, "timestamp": 2}"#,
        "Invalid value \"a?b\" for parameter 'name'",
    )
    .await;
    check(
        "runs/search",
        r#"{"max_results": 50001}"#,
        "Invalid value 50001 for parameter 'max_results' supplied:  Hint: V",
    )
    .await;
    check("runs/search", r#"{"experiment_ids": "1"}"#, "Invalid value \"1\" for parameter 'experiment_ids' supplied")
        .await;
    check("runs/log-batch", r#"{"run_id": "bad id!"}"#, "Invalid value \"bad id!\" for parameter 'run_id' supplied.")
        .await;
    check("runs/log-model", r#"{"run_id": "RUN", "model_json": "{"}"#, "Malformed model info.").await;
    let history = run(&server, &id).await;
    assert_eq!(history["data"].get("metrics"), None, "nothing was logged on the way");
}
