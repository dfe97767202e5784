//! Artifacts: stored, listed, downloaded and deleted over HTTP, and nothing outside the root.

use std::{fs, os::unix::fs::symlink};

use axum::body::Body;
use http::{
    HeaderMap, Request, StatusCode,
    header::{
        CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
        IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, RANGE, X_CONTENT_TYPE_OPTIONS,
    },
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tracking::{ArtifactOptions, Tracking, router};

use crate::server::{Answer, TestServer};

const PROXY: &str = "/api/2.0/mlflow-artifacts/artifacts";

async fn put(server: &TestServer, path: &str, body: impl Into<Body>) -> Answer {
    server.send(Request::put(format!("{PROXY}/{path}")).body(body.into()).unwrap()).await
}

async fn delete(server: &TestServer, path: &str) -> Answer {
    server.send(Request::delete(format!("{PROXY}/{path}")).body(Body::empty()).unwrap()).await
}

/// Downloads with headers and gives status, headers and body.
async fn download(
    server: &TestServer,
    uri: &str,
    headers: &[(http::HeaderName, &str)],
) -> (StatusCode, HeaderMap, String) {
    let mut request = Request::get(uri);
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    let answer = server.raw(request.body(Body::empty()).unwrap()).await;
    let (parts, body) = answer.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    (parts.status, parts.headers, String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test]
async fn a_file_goes_in_and_comes_out() {
    let server = TestServer::start().await;
    let answer = put(&server, "1/r/artifacts/a.txt", "hello").await;
    assert_eq!((answer.status, answer.body), (StatusCode::OK, json!("")));
    assert_eq!(fs::read(server.folder().join("artifacts/1/r/artifacts/a.txt")).unwrap(), b"hello");

    let (status, headers, body) = download(&server, &format!("{PROXY}/1/r/artifacts/a.txt"), &[]).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "hello"));
    assert_eq!(headers[CONTENT_TYPE], "text/plain");
    assert_eq!(headers[CONTENT_LENGTH], "5");
    assert_eq!(headers[CONTENT_DISPOSITION], "attachment; filename=a.txt");
    assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
    assert!(headers[ETAG].to_str().unwrap().starts_with('"'));

    let message = server.get_at(&format!("{PROXY}/1/nope.txt")).await.error(404, "RESOURCE_DOES_NOT_EXIST");
    assert_eq!(message, "No such artifact: '1/nope.txt'");
    let message = server.get_at(&format!("{PROXY}/1/r")).await.refused();
    assert_eq!(message, "Artifact path refers to a directory, not a file: '1/r'");
    // The UI's own prefix serves the same.
    let (_, _, body) = download(&server, "/ajax-api/2.0/mlflow-artifacts/artifacts/1/r/artifacts/a.txt", &[]).await;
    assert_eq!(body, "hello");
}

#[tokio::test]
async fn a_new_upload_replaces_the_old_one_and_its_etag() {
    let server = TestServer::start().await;
    let uri = format!("{PROXY}/a.bin");
    put(&server, "a.bin", "one").await.ok();
    let (_, first, _) = download(&server, &uri, &[]).await;
    let etag = first[ETAG].to_str().unwrap().to_owned();
    let (status, _, body) = download(&server, &uri, &[(IF_NONE_MATCH, &etag)]).await;
    assert_eq!((status, body.as_str()), (StatusCode::NOT_MODIFIED, ""));
    put(&server, "a.bin", "two").await.ok();
    let (status, second, body) = download(&server, &uri, &[(IF_NONE_MATCH, &etag)]).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "two"));
    assert_ne!(second[ETAG], first[ETAG]);
    assert_eq!(second[CONTENT_TYPE], "application/octet-stream");
    // No upload is left behind.
    assert_eq!(fs::read_dir(server.folder().join("artifacts/.tidegate-uploads")).unwrap().count(), 0);
}

#[tokio::test]
async fn ranges_of_a_file() {
    let server = TestServer::start().await;
    put(&server, "a", "0123456789").await.ok();
    let uri = format!("{PROXY}/a");
    let check = async |range: &str, status: u16, content_range: Option<&str>, body: &str| {
        let (found, headers, text) = download(&server, &uri, &[(RANGE, range)]).await;
        let found_range = headers.get(CONTENT_RANGE).map(|it| it.to_str().unwrap());
        assert_eq!((found.as_u16(), found_range, text.as_str()), (status, content_range, body), "{range}");
    };
    check("bytes=1-2", 206, Some("bytes 1-2/10"), "12").await;
    check("bytes=7-", 206, Some("bytes 7-9/10"), "789").await;
    check("bytes=-3", 206, Some("bytes 7-9/10"), "789").await;
    check("bytes=0-99", 200, None, "0123456789").await;
    check("bytes=10-", 416, Some("bytes */10"), "").await;
    check("bytes=0-1,3-4", 200, None, "0123456789").await;
    let (_, headers, _) = download(&server, &uri, &[]).await;
    let etag = headers[ETAG].to_str().unwrap().to_owned();
    let (status, _, _) = download(&server, &uri, &[(RANGE, "bytes=1-2"), (IF_RANGE, &etag)]).await;
    assert_eq!(status, StatusCode::PARTIAL_CONTENT);
    let (status, _, _) = download(&server, &uri, &[(RANGE, "bytes=1-2"), (IF_RANGE, "\"old\"")]).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn folders_are_listed_and_deleted() {
    let server = TestServer::start().await;
    for path in ["1/r/artifacts/b.txt", "1/r/artifacts/d/c.txt", "1/r/artifacts/a%20b.txt"] {
        put(&server, path, "xyz").await.ok();
    }
    let list = async |path: &str| server.get_at(&format!("{PROXY}?path={path}")).await.ok();
    let expect = json!({"files": [
        {"path": "a b.txt", "is_dir": false, "file_size": 3},
        {"path": "b.txt", "is_dir": false, "file_size": 3},
        {"path": "d", "is_dir": true},
    ]});
    assert_eq!(list("1/r/artifacts").await, expect);
    // Uploads in progress are no artifacts; a file and nothing have no entries.
    assert_eq!(server.get_at(PROXY).await.ok(), json!({"files": [{"path": "1", "is_dir": true}]}));
    assert_eq!(list("1/r/artifacts/b.txt").await, json!({}));
    assert_eq!(list("nowhere").await, json!({}));

    assert_eq!(delete(&server, "1/r/artifacts/b.txt").await.ok(), json!({}));
    assert_eq!(delete(&server, "1/r/artifacts/d").await.ok(), json!({}));
    assert_eq!(delete(&server, "1/r/artifacts/b.txt").await.ok(), json!({}));
    let left = json!({"files": [{"path": "a b.txt", "is_dir": false, "file_size": 3}]});
    assert_eq!(list("1/r/artifacts").await, left);
}

#[tokio::test]
async fn a_run_has_its_own_artifacts() {
    let server = TestServer::start().await;
    let run = server.run("0", "r", 1).await;
    let uri = format!("mlflow-artifacts:/0/{run}/artifacts");
    put(&server, &format!("0/{run}/artifacts/d/a.txt"), "hello").await.ok();

    let found = server.get(&format!("artifacts/list?run_id={run}")).await.ok();
    assert_eq!(found, json!({"root_uri": uri, "files": [{"path": "d", "is_dir": true}]}));
    let found = server.get(&format!("artifacts/list?run_uuid={run}&path=d")).await.ok();
    let files = json!([{"path": "d/a.txt", "is_dir": false, "file_size": 5}]);
    assert_eq!(found, json!({"root_uri": uri, "files": files}));

    for id in ["run_id", "run_uuid"] {
        let (status, headers, body) = download(&server, &format!("/get-artifact?{id}={run}&path=d/a.txt"), &[]).await;
        assert_eq!((status, body.as_str()), (StatusCode::OK, "hello"));
        assert_eq!(headers[CONTENT_DISPOSITION], "attachment; filename=a.txt");
    }
    server.get_at("/get-artifact?run_id=none&path=a").await.error(404, "RESOURCE_DOES_NOT_EXIST");
    assert!(server.get_at(&format!("/get-artifact?run_id={run}")).await.refused().contains("'path'"));
    assert!(server.get_at("/get-artifact?path=a").await.refused().contains("'run_id'"));

    // In process, as an evaluation does it.
    server.tracking.artifacts().write(&uri, "eval/table.json", "[1]").await.unwrap();
    assert_eq!(server.tracking.artifacts().read(&uri, "eval/table.json", 10).await.unwrap(), b"[1]");
    let error = server.tracking.artifacts().read(&uri, "eval/table.json", 2).await.unwrap_err().to_string();
    assert!(error.contains("has 3 bytes, at most 2"), "{error}");
    assert!(server.tracking.artifacts().write(&uri, "../../x", "").await.is_err());
}

#[tokio::test]
async fn the_ui_uploads_small_files() {
    let server = TestServer::start().await;
    let run = server.run("0", "r", 1).await;
    let upload = async |query: &str, body: Vec<u8>| {
        let uri = format!("/ajax-api/2.0/mlflow/upload-artifact?{query}");
        server.send(Request::post(uri).body(Body::from(body)).unwrap()).await
    };
    upload(&format!("run_uuid={run}&path=d/x.json"), b"{}".to_vec()).await.ok();
    let (_, _, body) = download(&server, &format!("/get-artifact?run_id={run}&path=d/x.json"), &[]).await;
    assert_eq!(body, "{}");
    assert!(upload("path=x", b"x".to_vec()).await.refused().contains("run_id"));
    assert!(upload(&format!("run_uuid={run}&path=x"), vec![]).await.refused().starts_with("Request must specify data"));
    let large = vec![0; 10 * 1024 * 1024 + 1];
    let message = upload(&format!("run_uuid={run}&path=x"), large).await.refused();
    assert!(message.starts_with("Artifact size is too large. Max size is 10MB"), "{message}");
    assert!(upload(&format!("run_uuid={run}&path=../x"), b"x".to_vec()).await.refused().starts_with("Invalid path"));
}

#[tokio::test]
async fn hostile_content_is_never_run() {
    let server = TestServer::start().await;
    put(&server, "x/evil%22%0d.html", "").await.refused();
    for (name, media_type) in [("page.html", "text/html"), ("image.svg", "image/svg+xml")] {
        put(&server, name, "<script>alert(1)</script>").await.ok();
        let (_, headers, _) = download(&server, &format!("{PROXY}/{name}"), &[]).await;
        assert_eq!(headers[CONTENT_TYPE], media_type);
        assert!(headers[CONTENT_DISPOSITION].to_str().unwrap().starts_with("attachment"));
        assert!(headers[CONTENT_SECURITY_POLICY].to_str().unwrap().starts_with("sandbox; default-src 'none'"));
        assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
    }
    put(&server, "a%22b%3Bc.txt", "x").await.ok();
    let (_, headers, _) = download(&server, &format!("{PROXY}/a%22b%3Bc.txt"), &[]).await;
    assert_eq!(headers[CONTENT_DISPOSITION], "attachment; filename=\"a\\\"b;c.txt\"");
}

#[tokio::test]
async fn no_path_leads_out_of_the_root() {
    let server = TestServer::start().await;
    let run = server.run("0", "r", 1).await;
    fs::write(server.folder().join("secret"), "secret").unwrap();
    put(&server, "inside", "x").await.ok();
    for path in [
        "../secret",
        "..%2fsecret",
        "%2e%2e/secret",
        "%2e%2e%2fsecret",
        "%ef%bc%8e%ef%bc%8e/secret",
        "a%ef%bc%8f..%ef%bc%8f..%ef%bc%8fsecret",
        "%252e%252e%252fsecret",
        "%25252e%25252e/secret",
        "a/../../secret",
        "..%5csecret",
        "..%255csecret",
        "%2fetc/passwd",
        "/etc/passwd",
        "%252fetc%252fpasswd",
        "C:%5cwindows",
        "file:%2f%2f%2fetc/passwd",
        "a%00b",
        "a%2500b",
        "a%23b",
        ".tidegate-uploads/x",
    ] {
        let check = |what: &str, answer: Answer| {
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{what} {path}: {}", answer.body);
            assert_eq!(answer.body["error_code"], "INVALID_PARAMETER_VALUE", "{what} {path}");
            let message = answer.body["message"].as_str().unwrap();
            assert!(message.starts_with("Invalid path"), "{what} {path}: {message}");
        };
        check("put", put(&server, path, "x").await);
        check("delete", delete(&server, path).await);
        if !path.starts_with(".tidegate") {
            check("get", server.get_at(&format!("{PROXY}/{path}")).await);
            check("list", server.get_at(&format!("{PROXY}?path={path}")).await);
            check("run list", server.get(&format!("artifacts/list?run_id={run}&path={path}")).await);
            check("run get", server.get_at(&format!("/get-artifact?run_id={run}&path={path}")).await);
            check("presigned", server.get_at(&format!("/api/2.0/mlflow-artifacts/presigned/{path}")).await);
            let mpu = format!("/api/2.0/mlflow-artifacts/mpu/create/{path}");
            check("parts", post(&server, &mpu, json!({"path": "a", "num_parts": 1})).await);
        }
    }
    let mut names: Vec<String> = fs::read_dir(server.folder().join("artifacts"))
        .unwrap()
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, [".tidegate-uploads", "inside"]);
    assert_eq!(fs::read(server.folder().join("secret")).unwrap(), b"secret");
    assert!(delete(&server, "%2e").await.refused().contains("the artifact root itself"));
}

#[tokio::test]
async fn links_are_followed_only_inside() {
    let server = TestServer::start().await;
    put(&server, "real/a.txt", "inside").await.ok();
    let root = server.folder().join("artifacts");
    let outside = server.folder().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "secret").unwrap();
    symlink(root.join("real"), root.join("inner")).unwrap();
    symlink(&outside, root.join("outer")).unwrap();
    symlink(outside.join("secret"), root.join("file")).unwrap();
    symlink(root.join("nothing"), root.join("dangling")).unwrap();

    let (_, _, body) = download(&server, &format!("{PROXY}/inner/a.txt"), &[]).await;
    assert_eq!(body, "inside");
    for path in ["outer/secret", "file"] {
        let message = server.get_at(&format!("{PROXY}/{path}")).await.refused();
        assert_eq!(message, format!("Invalid path \"{path}\": it leads out of the artifact root"));
    }
    for path in ["outer/new", "outer/new/deep", "file", "outer"] {
        assert!(put(&server, path, "x").await.refused().starts_with("Invalid path"), "{path}");
    }
    assert!(delete(&server, "outer/secret").await.refused().starts_with("Invalid path"));
    assert!(server.get_at(&format!("{PROXY}?path=outer")).await.refused().starts_with("Invalid path"));
    let listed = server.get_at(PROXY).await.ok();
    let names: Vec<&str> = listed["files"].as_array().unwrap().iter().map(|it| it["path"].as_str().unwrap()).collect();
    assert_eq!(names, ["inner", "real"]);
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    // A link itself may go, what it leads to stays.
    delete(&server, "outer").await.ok();
    assert!(outside.join("secret").exists() && !root.join("outer").exists());
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let server = TestServer::start().await;
    put(&server, "a", "old").await.ok();
    let broken = || {
        let chunks = [Ok("new"), Err(std::io::Error::other("the client went away"))];
        Body::from_stream(futures::stream::iter(chunks))
    };
    let message = put(&server, "a", broken()).await.refused();
    assert!(message.starts_with("the upload of artifact `a` broke off, nothing was stored"), "{message}");
    put(&server, "new/folder/b", broken()).await.refused();
    let (_, _, body) = download(&server, &format!("{PROXY}/a"), &[]).await;
    assert_eq!(body, "old");
    assert!(!server.folder().join("artifacts/new").exists());
    assert_eq!(fs::read_dir(server.folder().join("artifacts/.tidegate-uploads")).unwrap().count(), 0);
}

#[tokio::test]
async fn uploads_of_a_server_that_died_are_cleared_away() {
    let folder = tempfile::tempdir().unwrap();
    let uploads = folder.path().join("artifacts/.tidegate-uploads");
    fs::create_dir_all(&uploads).unwrap();
    let two_days = std::time::Duration::from_hours(48);
    let old = fs::File::create(uploads.join("old")).unwrap();
    old.set_modified(std::time::SystemTime::now() - two_days).unwrap();
    fs::File::create(uploads.join("young")).unwrap();
    let destination = folder.path().join("artifacts").display().to_string();
    tracking_with(ArtifactOptions::resolve(None, Some(destination), true), folder.path()).await.unwrap();
    assert_eq!((uploads.join("old").exists(), uploads.join("young").exists()), (false, true));
}

#[tokio::test]
async fn a_path_that_cannot_take_a_file_is_refused() {
    let server = TestServer::start().await;
    put(&server, "file", "x").await.ok();
    put(&server, "folder/file", "x").await.ok();
    assert_eq!(put(&server, "folder", "x").await.refused(), "Invalid path \"folder\": there is a folder of that name");
    let message = put(&server, "file/below", "x").await.refused();
    assert_eq!(message, "Invalid path \"file/below\": a file is in the way of its folder");
    assert!(put(&server, "folder/", "x").await.refused().ends_with("it must name a file, not end in `/`"));
    server.get_at(&format!("{PROXY}/file/below")).await.error(404, "RESOURCE_DOES_NOT_EXIST");
}

async fn post(server: &TestServer, uri: &str, body: Value) -> Answer {
    let request = Request::post(uri).header(CONTENT_TYPE, "application/json").body(body.to_string().into());
    server.send(request.unwrap()).await
}

#[tokio::test]
async fn uploads_in_parts_are_for_buckets() {
    let server = TestServer::start().await;
    let step =
        async |step: &str, body: Value| post(&server, &format!("/api/2.0/mlflow-artifacts/mpu/{step}/1/r"), body).await;
    let part = json!({"part_number": 1, "etag": "x", "url": "http://x"});
    for (name, body) in [
        ("create", json!({"path": "/home/me/a.bin", "num_parts": 2})),
        ("complete", json!({"path": "a", "upload_id": "u", "parts": [part]})),
        ("abort", json!({"path": "a", "upload_id": "u"})),
    ] {
        let message = step(name, body).await.error(501, "NOT_IMPLEMENTED");
        assert_eq!(message, "Multipart upload is not supported for the current artifact repository");
    }
    let refused = async |name: &str, body: Value| step(name, body).await.refused();
    assert!(refused("create", json!({})).await.contains("'path'"));
    assert!(refused("create", json!({"path": "a", "num_parts": 10_001})).await.contains("at most 10000 parts"));
    assert!(refused("create", json!({"path": "a", "num_parts": -1})).await.contains("'num_parts'"));
    assert!(refused("create", json!({"path": "a/..", "num_parts": 1})).await.starts_with("Invalid path"));
    assert!(refused("complete", json!({"path": "a", "upload_id": "u"})).await.contains("'parts'"));
    let twice = json!({"path": "a", "upload_id": "u", "parts": [part, part]});
    assert!(refused("complete", twice).await.contains("part 2 is missing or there twice"));
    let message = server.get_at("/api/2.0/mlflow-artifacts/presigned/a").await.error(501, "NOT_IMPLEMENTED");
    assert_eq!(message, "Multipart download is not supported for the current artifact repository");
    server.get_at("/api/2.0/mlflow-artifacts/nope").await.error(404, "ENDPOINT_NOT_FOUND");
    let info = server.get_at("/api/3.0/mlflow/server-info").await.ok();
    assert_eq!(info["multipart_uploads_enabled"], false);
    assert_eq!(info["presigned_upload_run_id_supported"], true);
}

#[tokio::test]
async fn addresses_are_signed_for_buckets_only() {
    let server = TestServer::start().await;
    let run = server.run("0", "r", 1).await;
    let download = async |body: Value| server.post("artifacts/presigned-download-url", body).await.refused();
    let upload = async |body: Value| server.post("artifacts/presigned-upload-url", body).await.refused();
    let proxied = "(artifact URI scheme: mlflow-artifacts)";
    assert!(download(json!({"run_id": run, "path": "a"})).await.contains(proxied));
    assert!(upload(json!({"run_id": run, "path": "a"})).await.contains(proxied));
    for seconds in [0, -5, 604_801] {
        let expect = format!("expiration must be between 1 and 604800 seconds (got {seconds}).");
        assert_eq!(download(json!({"run_id": run, "path": "a", "expiration": seconds})).await, expect);
        assert_eq!(upload(json!({"run_id": run, "path": "a", "expiration": seconds})).await, expect);
    }
    assert!(download(json!({"path": "a"})).await.contains("'run_id'"));
    assert!(download(json!({"run_id": run})).await.contains("'path'"));
    assert!(download(json!({"run_id": run, "path": "%2e%2e/a"})).await.starts_with("Invalid path"));
    assert!(upload(json!({"run_id": run, "path": "../a"})).await.starts_with("Invalid path"));
    let one = "Exactly one of run_id and model_id must be provided.";
    assert_eq!(upload(json!({"path": "a"})).await, one);
    assert_eq!(upload(json!({"run_id": run, "model_id": "m-1", "path": "a"})).await, one);
    let body = json!({"run_id": "0".repeat(32), "path": "a"});
    server.post("artifacts/presigned-download-url", body).await.error(404, "RESOURCE_DOES_NOT_EXIST");
}

#[tokio::test]
async fn a_head_request_and_dates_tell_what_is_there() {
    let server = TestServer::start().await;
    put(&server, "a.bin", "0123456789").await.ok();
    let uri = format!("{PROXY}/a.bin");
    let written = std::time::UNIX_EPOCH + std::time::Duration::from_secs(784_111_777);
    let file = fs::File::options().write(true).open(server.folder().join("artifacts/a.bin")).unwrap();
    file.set_modified(written).unwrap();

    let head = async |range: Option<&str>| {
        let mut request = Request::head(&uri);
        if let Some(range) = range {
            request = request.header(RANGE, range);
        }
        let answer = server.raw(request.body(Body::empty()).unwrap()).await;
        let (parts, body) = answer.into_parts();
        assert!(body.collect().await.unwrap().to_bytes().is_empty());
        (parts.status, parts.headers)
    };
    let (status, headers) = head(None).await;
    assert_eq!((status, &headers[CONTENT_LENGTH]), (StatusCode::OK, &"10".parse().unwrap()));
    assert_eq!(headers[LAST_MODIFIED], "Sun, 06 Nov 1994 08:49:37 GMT");
    let (status, headers) = head(Some("bytes=2-4")).await;
    assert_eq!((status, &headers[CONTENT_LENGTH]), (StatusCode::PARTIAL_CONTENT, &"3".parse().unwrap()));

    let since = async |date: &str| download(&server, &uri, &[(IF_MODIFIED_SINCE, date)]).await.0.as_u16();
    assert_eq!(since("Sun, 06 Nov 1994 08:49:37 GMT").await, 304);
    assert_eq!(since("Sun, 06 Nov 1994 08:49:36 GMT").await, 200);
    assert_eq!(since("yesterday").await, 200);
    let (status, _, body) =
        download(&server, &uri, &[(RANGE, "bytes=2-4"), (IF_RANGE, "Sun, 06 Nov 1994 08:49:37 GMT")]).await;
    assert_eq!((status, body.as_str()), (StatusCode::PARTIAL_CONTENT, "234"));
}

#[tokio::test]
async fn a_model_has_files() {
    let server = TestServer::start().await;
    let model = server.post("logged-models", json!({"experiment_id": "0", "name": "m"})).await.ok();
    let info = &model["model"]["info"];
    let (id, uri) = (info["model_id"].as_str().unwrap(), info["artifact_uri"].as_str().unwrap());
    server.tracking.artifacts().write(uri, "MLmodel", "flavors: {}").await.unwrap();
    let files = format!("/ajax-api/2.0/mlflow/logged-models/{id}/artifacts/files");
    let (status, headers, body) = download(&server, &format!("{files}?artifact_file_path=MLmodel"), &[]).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "flavors: {}"));
    assert_eq!(headers[CONTENT_TYPE], "text/plain");
    let message = server.get_at(&files).await.refused();
    assert_eq!(message, "Request must include the \"artifact_file_path\" query parameter.");
    assert!(server.get_at(&format!("{files}?artifact_file_path=..%2fx")).await.refused().starts_with("Invalid path"));
}

async fn tracking_with(options: ArtifactOptions, folder: &std::path::Path) -> tracking::Result<Tracking> {
    let db = db::Db::open(&format!("sqlite:///{}/t.db", folder.display())).await.unwrap();
    Tracking::open(db, options).await
}

#[tokio::test]
async fn locations_that_clients_name_are_written_only_where_the_operator_allows() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("runs");
    let old = folder.path().join("old/1/r/artifacts");
    fs::create_dir_all(&old).unwrap();
    fs::write(old.join("b.txt"), "y").unwrap();
    fs::write(folder.path().join("secret"), "secret").unwrap();
    symlink(folder.path(), old.join("out")).unwrap();
    let options = ArtifactOptions::resolve(Some(root.display().to_string()), None, false);
    let tracking = tracking_with(options, folder.path()).await.unwrap();
    let artifacts = tracking.artifacts();
    let inside = format!("{}/1/r/artifacts", root.display());
    artifacts.write(&inside, "a.txt", "x").await.unwrap();
    assert_eq!(fs::read(root.join("1/r/artifacts/a.txt")).unwrap(), b"x");
    let uri = format!("file://{inside}");
    assert_eq!(artifacts.list(&uri, "").await.unwrap()[0].path, "a.txt");
    // Experiments of an older server lie elsewhere; they are read, and nothing is written or left through a link there.
    let old = old.display().to_string();
    assert_eq!(artifacts.read(&old, "b.txt", 10).await.unwrap(), b"y");
    let error = artifacts.write(&old, "c.txt", "x").await.unwrap_err().to_string();
    assert!(error.contains("outside the folders that this server was told to use"), "{error}");
    let error = artifacts.read(&old, "out/secret", 10).await.unwrap_err().to_string();
    assert!(error.contains("leads out of the artifact root"), "{error}");
    let refused = async |uri: &str| artifacts.list(uri, "").await.unwrap_err().to_string();
    assert!(refused("file:///etc%00/1").await.contains("NUL"));
    assert!(refused(&format!("{inside}/../../../..")).await.contains("may not hold `..`"));
    assert!(refused("dbfs:/bucket/1").await.contains("`dbfs:/bucket/1` is not supported"));
    let elsewhere = "abfss://c@stranger.dfs.core.windows.net/1";
    assert!(refused(elsewhere).await.contains("does not connect to artifact location"));
    assert!(refused("mlflow-artifacts:/1").await.contains("--serve-artifacts"));

    let router = router(tracking);
    let request = Request::get(format!("{PROXY}/a")).body(Body::empty()).unwrap();
    let answer = tower::ServiceExt::oneshot(router, request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&body).contains("--serve-artifacts"), "{body:?}");
}

#[tokio::test]
async fn destinations_that_cannot_work_are_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    for destination in ["s3://", "gs://..", "wasbs://c@account/x", "hdfs://namenode/x", "mlflow-artifacts:/"] {
        let options = ArtifactOptions::resolve(None, Some(destination.to_owned()), true);
        let error = tracking_with(options, folder.path()).await.unwrap_err().to_string();
        assert!(error.contains(destination), "{error}");
    }
}
