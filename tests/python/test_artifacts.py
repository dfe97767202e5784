"""Artifacts through the real client, on a local disk and on real servers of S3 and Azure, which must not look different."""

from __future__ import annotations

import hashlib
import http.client
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlparse

import mlflow
import pytest
import requests
import tidegate
from azure_server import ACCOUNT, AzureServer
from mlflow import MlflowClient
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.artifact.http_artifact_repo import HttpArtifactRepository
from s3_server import KEY, SECRET, S3Server

PROXY = "/api/2.0/mlflow-artifacts"
MIB = 1024 * 1024
BUCKET = "bucket"

# Names that clients, HTTP, S3 and file systems each have their own ideas about.
NAMES = ["a b.txt", "1+1=2.txt", "ünïcödé 文件.txt", "a&b;c,d.txt", "100%.txt", "(brackets) [x].txt", "dots...txt"]


@dataclass
class Place:
    """A server whose artifacts lie in one kind of place."""

    kind: str
    server: tidegate.Server
    s3: S3Server
    destination: Path | None  # where files can be seen on disk; not Azure's, whose server has a format of its own


def start(folder: Path, destination: str | Path, env: dict[str, str], *args: str) -> tidegate.Server:
    folder.mkdir(parents=True, exist_ok=True)
    store = f"sqlite:///{folder}/mlflow.db"
    command = ["server", "--no-gateway", "--host", "127.0.0.1", "--backend-store-uri", store]
    return tidegate.Server.start(*command, "--artifacts-destination", destination, *args, cwd=folder, env=env)


@pytest.fixture(scope="module")
def s3(tmp_path_factory):
    server = S3Server.start(tmp_path_factory.mktemp("s3"), BUCKET)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def azure(tmp_path_factory):
    server = AzureServer.start(tmp_path_factory.mktemp("azure"), BUCKET)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def places(tmp_path_factory, s3, azure):
    folder = tmp_path_factory.mktemp("places")
    on_s3 = s3.root / BUCKET / "below/artifacts"
    on_azure = f"wasbs://{BUCKET}@{ACCOUNT}.blob.core.windows.net/below/artifacts"
    with (
        start(folder / "disk", folder / "disk/artifacts", {}) as disk,
        start(folder / "s3", f"s3://{BUCKET}/below/artifacts", s3.env) as bucket,
        start(folder / "azure", on_azure, azure.env) as container,
    ):
        yield {
            "disk": Place("disk", disk, s3, folder / "disk/artifacts"),
            "s3": Place("s3", bucket, s3, on_s3),
            "azure": Place("azure", container, s3, None),
        }


@pytest.fixture(params=["disk", "s3", "azure"])
def place(request, places) -> Place:
    return points_at(places[request.param])


@pytest.fixture(params=["disk", "s3"])
def fast_place(request, places) -> Place:
    """For hundreds of megabytes, which Azure's emulator takes its time over."""
    return points_at(places[request.param])


@pytest.fixture
def bucket(places) -> Place:
    return points_at(places["s3"])


@pytest.fixture
def disk(places) -> Place:
    return points_at(places["disk"])


def points_at(place: Place) -> Place:
    mlflow.set_tracking_uri(place.server.url)
    return place


@pytest.fixture
def run(request):
    """A run of the test's own; asked for after the place."""
    client = MlflowClient()
    experiment = client.get_experiment_by_name(request.node.name) or client.get_experiment(
        client.create_experiment(request.node.name)
    )
    return client.create_run(experiment.experiment_id)


def listing(client: MlflowClient, run_id: str, path: str | None = None) -> list[tuple[str, bool, int | None]]:
    return [(it.path, it.is_dir, it.file_size) for it in client.list_artifacts(run_id, path)]


def put(place: Place, path: str, data) -> None:
    answer = requests.put(f"{place.server.url}{PROXY}/artifacts/{path}", data=data, timeout=120)
    assert answer.status_code == 200, answer.text


def get(place: Place, path: str, **headers: str) -> requests.Response:
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.get(f"{place.server.url}{PROXY}/artifacts/{path}", headers=headers, timeout=120)


def exactly(place: Place, method: str, target: str, body: bytes | None = None) -> tuple[int, bytes]:
    """Sends a request whose target no client tidies up beforehand."""
    connection = http.client.HTTPConnection(urlparse(place.server.url).netloc, timeout=60)
    connection.putrequest(method, target)
    if body is not None:
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def test_files_and_folders_go_in_and_come_out(place, run, tmp_path):
    client, run_id = MlflowClient(), run.info.run_id
    source = tmp_path / "source"
    (source / "deep/er").mkdir(parents=True)
    # This S3 server keeps a file for each key whose name grows with the key's; S3 itself takes keys of 1,024 bytes.
    names = [*NAMES, "x" * (240 if place.kind == "disk" else 80)]
    contents = {name: f"content of {name}".encode() for name in [*names, "deep/er/empty"]}
    contents["deep/er/empty"] = b""
    for name, content in contents.items():
        (source / name).write_bytes(content)
    client.log_artifacts(run_id, str(source), "folder")
    client.log_artifact(run_id, str(source / "a b.txt"))
    client.log_text(run_id, "text", "notes/readme.md")

    assert listing(client, run_id) == [("a b.txt", False, 18), ("folder", True, None), ("notes", True, None)]
    expect = sorted([(f"folder/{name}", False, len(contents[name])) for name in names] + [("folder/deep", True, None)])
    assert listing(client, run_id, "folder") == expect
    # As in MLflow, the size of an empty file is left out.
    assert listing(client, run_id, "folder/deep/er") == [("folder/deep/er/empty", False, None)]
    # A file and nothing have no entries.
    assert listing(client, run_id, "a b.txt") == []
    assert listing(client, run_id, "nothing") == []

    found = Path(client.download_artifacts(run_id, "folder", str(tmp_path / "whole") + "/"))
    read = {str(it.relative_to(found)): it.read_bytes() for it in found.rglob("*") if it.is_file()}
    assert read == contents
    assert Path(client.download_artifacts(run_id, "notes/readme.md", str(tmp_path))).read_text() == "text"
    if place.destination:
        # The bytes lie where MLflow's own server would put them.
        stored = place.destination / run.info.experiment_id / run_id / "artifacts/folder/a b.txt"
        assert stored.read_bytes() == contents["a b.txt"]


def test_a_file_is_replaced_whole(place, run):
    client, run_id = MlflowClient(), run.info.run_id
    client.log_text(run_id, "first and longer", "a.txt")
    root = f"{run.info.experiment_id}/{run_id}/artifacts"
    first = get(place, f"{root}/a.txt")
    client.log_text(run_id, "second", "a.txt")
    second = get(place, f"{root}/a.txt")
    assert (first.text, second.text) == ("first and longer", "second")
    assert first.headers["ETag"] != second.headers["ETag"]
    assert get(place, f"{root}/a.txt", If_None_Match=second.headers["ETag"]).status_code == 304
    assert get(place, f"{root}/a.txt", If_None_Match=first.headers["ETag"]).status_code == 200
    assert get(place, f"{root}/a.txt", If_Modified_Since=second.headers["Last-Modified"]).status_code == 304
    head = requests.head(f"{place.server.url}{PROXY}/artifacts/{root}/a.txt", timeout=60)
    assert (head.status_code, head.headers["Content-Length"], head.content) == (200, "6", b"")


def test_ranges(place):
    put(place, "ranges/a", b"0123456789")
    put(place, "ranges/empty", b"")

    def check(asked: str, status: int, content_range: str | None, body: bytes, path: str = "ranges/a"):
        answer = get(place, path, Range=asked)
        assert (answer.status_code, answer.headers.get("Content-Range"), answer.content) == (status, content_range, body)

    check("bytes=2-4", 206, "bytes 2-4/10", b"234")
    check("bytes=7-", 206, "bytes 7-9/10", b"789")
    check("bytes=-3", 206, "bytes 7-9/10", b"789")
    check("bytes=5-99", 206, "bytes 5-9/10", b"56789")
    check("bytes=10-", 416, "bytes */10", b"")
    check("bytes=0-0", 416, "bytes */0", b"", "ranges/empty")
    assert get(place, "ranges/empty").content == b""


def test_files_and_folders_are_deleted(place, run, tmp_path):
    client, run_id = MlflowClient(), run.info.run_id
    for name in ["a.txt", "folder/b.txt", "folder/deep/c.txt", "folder2/d.txt", "folder-e.txt"]:
        client.log_text(run_id, "x", name)
    repository = get_artifact_repository(run.info.artifact_uri)
    repository.delete_artifacts("a.txt")
    repository.delete_artifacts("folder")
    repository.delete_artifacts("nothing")
    # What only starts with the same letters stays.
    assert listing(client, run_id) == [("folder-e.txt", False, 1), ("folder2", True, None)]
    # Nothing deletes everything.
    assert exactly(place, "DELETE", f"{PROXY}/artifacts/.")[0] == 400
    assert listing(client, run_id, "folder2") == [("folder2/d.txt", False, 1)]


def test_more_files_than_a_bucket_lists_at_once(bucket):
    for number in range(1005):
        put(bucket, f"many/{number:04}", b"x")
    files = requests.get(f"{bucket.server.url}{PROXY}/artifacts?path=many", timeout=120).json()["files"]
    assert [it["path"] for it in files] == [f"{number:04}" for number in range(1005)]
    assert exactly(bucket, "DELETE", f"{PROXY}/artifacts/many") == (200, b"{}")
    assert requests.get(f"{bucket.server.url}{PROXY}/artifacts?path=many", timeout=120).json() == {}


@pytest.mark.parametrize(
    "path",
    [
        "../secret",
        "..%2fsecret",
        "%2e%2e/secret",
        "%252e%252e%252fsecret",
        "%25252e%25252e/secret",
        "a/../../secret",
        "..%5csecret",
        "%2fetc/passwd",
        "%252fetc%252fpasswd",
        "C:%5cwindows",
        "file:%2f%2f%2fetc/passwd",
        "a%00b",
        "a%2500b",
        "a%23b",
        "%ef%bc%8e%ef%bc%8e/secret",
        "a%ef%bc%8f..%ef%bc%8f..%ef%bc%8fsecret",
        "%e2%80%a5/secret",
        ".%2e%20/secret",
        "x" * 256,
    ],
)
def test_no_path_leads_out(place, path):
    def check(method: str, target: str, body: bytes | None = None):
        status, answer = exactly(place, method, target, body)
        assert status == 400 and b"Invalid path" in answer, (method, target, status, answer)

    check("PUT", f"{PROXY}/artifacts/{path}", b"evil")
    check("GET", f"{PROXY}/artifacts/{path}")
    check("DELETE", f"{PROXY}/artifacts/{path}")
    check("GET", f"{PROXY}/artifacts?path={path}")
    check("GET", f"{PROXY}/presigned/{path}")
    check("POST", f"{PROXY}/mpu/create/{path}", b'{"path": "a", "num_parts": 1}')
    check("POST", f"{PROXY}/mpu/create/a", b'{"path": "..", "num_parts": 1}')


def test_large_files_in_parts_and_from_signed_addresses(bucket, run, tmp_path, monkeypatch):
    """What the client does by itself once the server says that it can: the bytes go around the server."""
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", str(6 * MIB))
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", str(5 * MIB))
    monkeypatch.setenv("MLFLOW_MULTIPART_DOWNLOAD_CHUNK_SIZE", str(3 * MIB))
    through_server = lambda *_: pytest.fail("the file went through the server")  # noqa: E731
    monkeypatch.setattr(HttpArtifactRepository, "_download_file", through_server)
    large = tmp_path / "large ü.bin"
    large.write_bytes(os.urandom(17 * MIB))
    client, run_id = MlflowClient(), run.info.run_id
    client.log_artifact(run_id, str(large), "models")
    assert listing(client, run_id, "models") == [("models/large ü.bin", False, 17 * MIB)]
    # Four parts are the client's; this server's own are larger.
    path = f"{run.info.experiment_id}/{run_id}/artifacts/models/large ü.bin"
    assert get(bucket, path).headers["ETag"].endswith('-4"')
    found = Path(client.download_artifacts(run_id, "models/large ü.bin", str(tmp_path / "down")))
    assert found.read_bytes() == large.read_bytes()
    assert bucket.s3.parts() == []


def test_an_upload_in_parts_is_aborted(bucket):
    started = bucket.server.post(f"{PROXY}/mpu/create/aborted", json={"path": "/tmp/a.bin", "num_parts": 2}).json()
    assert [it["part_number"] for it in started["credentials"]] == [1, 2]
    assert requests.put(started["credentials"][0]["url"], data=b"x", timeout=60).status_code == 200
    upload = {"path": "a.bin", "upload_id": started["upload_id"]}
    assert bucket.server.post(f"{PROXY}/mpu/abort/aborted", json=upload).json() == {}
    assert bucket.s3.parts() == []
    assert get(bucket, "aborted/a.bin").status_code == 404


def test_a_disk_says_that_it_takes_no_parts_and_clients_go_through_the_server(disk, run, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "true")
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD", "true")
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", str(MIB))
    large = tmp_path / "large.bin"
    large.write_bytes(os.urandom(3 * MIB))
    client, run_id = MlflowClient(), run.info.run_id
    client.log_artifact(run_id, str(large))
    found = Path(client.download_artifacts(run_id, "large.bin", str(tmp_path / "down")))
    assert found.read_bytes() == large.read_bytes()
    answer = disk.server.post(f"{PROXY}/mpu/create/1", json={"path": "a", "num_parts": 2})
    message = "Multipart upload is not supported for the current artifact repository"
    assert (answer.status_code, answer.json()["message"]) == (501, message)


def test_runs_whose_artifacts_lie_in_a_bucket_themselves(disk, s3, tmp_path_factory):
    """The server has a folder as its destination, the experiment names a bucket; the server reads it there."""
    folder = tmp_path_factory.mktemp("direct")
    with start(folder, folder / "artifacts", s3.env) as server:
        client = MlflowClient(server.url)
        experiment = client.create_experiment("direct", artifact_location=f"s3://{BUCKET}/direct")
        run_id = client.create_run(experiment).info.run_id
        signed = server.post(
            "/api/2.0/mlflow/artifacts/presigned-upload-url", json={"run_id": run_id, "path": "d/a b.csv"}
        ).json()
        assert signed["headers"] == {"Content-Type": "text/csv"}
        # The signature covers the headers.
        assert requests.put(signed["presigned_url"], data=b"1,2", timeout=60).status_code == 403
        sent = requests.put(signed["presigned_url"], data=b"1,2", headers=signed["headers"], timeout=60)
        assert sent.status_code == 200, sent.text
        stored = s3.root / BUCKET / "direct" / run_id / "artifacts/d/a b.csv"
        assert stored.read_bytes() == b"1,2"

        root = server.get(f"/api/2.0/mlflow/artifacts/list?run_id={run_id}").json()
        files = [{"path": "d", "is_dir": True}]
        assert root == {"root_uri": f"s3://{BUCKET}/direct/{run_id}/artifacts", "files": files}
        below = server.get(f"/api/2.0/mlflow/artifacts/list?run_id={run_id}&path=d").json()
        assert below["files"] == [{"path": "d/a b.csv", "is_dir": False, "file_size": 3}]
        answer = server.get(f"/get-artifact?run_id={run_id}&path=d/a b.csv", headers={"Range": "bytes=2-"})
        assert (answer.status_code, answer.content) == (206, b"2")
        signed = server.post(
            "/api/2.0/mlflow/artifacts/presigned-download-url",
            json={"run_id": run_id, "path": "d/a b.csv", "expiration": 60},
        ).json()
        assert signed["file_size"] == 3
        down = requests.get(signed["presigned_url"], timeout=60)
        assert down.content == b"1,2"
        assert "X-Amz-Expires=60" in signed["presigned_url"]
        missing = server.post(
            "/api/2.0/mlflow/artifacts/presigned-download-url", json={"run_id": run_id, "path": "nope"}
        )
        assert (missing.status_code, missing.json()["message"]) == (404, "No such artifact: 'nope'")


def test_a_sender_who_leaves_leaves_nothing(place):
    """Twenty of fifty megabytes, then silence: no half file, and no parts that are kept and paid for."""
    target = f"{PROXY}/artifacts/left/half.bin"
    address = urlparse(place.server.url)
    with socket.create_connection((address.hostname, address.port)) as connection:
        head = f"PUT {target} HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: {50 * MIB}\r\n\r\n"
        connection.sendall(head.encode())
        for _ in range(20):
            connection.sendall(b"x" * MIB)
        if place.kind == "s3":
            tidegate.eventually(place.s3.parts)  # it is under way
    tidegate.eventually(lambda: get(place, "left/half.bin").status_code == 404)
    if place.kind == "s3":
        tidegate.eventually(lambda: place.s3.parts() == [])
    if place.kind == "disk":
        tidegate.eventually(lambda: list((place.destination / ".tidegate-uploads").iterdir()) == [])
    if place.destination:
        assert not (place.destination / "left").exists()
    assert requests.get(f"{place.server.url}{PROXY}/artifacts?path=left", timeout=60).json() == {}


def test_files_of_several_parts(place):
    """What the server itself sends on in parts comes back as one file, also across two of them."""
    data = os.urandom(25 * MIB)
    put(place, "parts/large.bin", data)
    assert get(place, "parts/large.bin").content == data
    start, end = 8 * MIB - 5, 16 * MIB + 5
    answer = get(place, "parts/large.bin", Range=f"bytes={start}-{end - 1}")
    assert (answer.status_code, answer.content) == (206, data[start:end])
    assert exactly(place, "DELETE", f"{PROXY}/artifacts/parts") == (200, b"{}")
    assert get(place, "parts/large.bin").status_code == 404


def test_large_files_pass_through_in_bounded_memory(fast_place, tmp_path):
    """Much more than the memory that is allowed goes in and comes out; what S3 and sockets buffer is included."""
    size, allowed = 600 * MIB, 120 * MIB
    large = tmp_path / "large.bin"
    with large.open("wb") as file:
        file.truncate(size)
    before = peak_memory(fast_place.server, reset=True)
    with large.open("rb") as file:
        put(fast_place, "memory/large.bin", file)
    during_upload = peak_memory(fast_place.server, reset=True) - before
    digest, received = hashlib.sha256(), 0
    url = f"{fast_place.server.url}{PROXY}/artifacts/memory/large.bin"
    with requests.get(url, stream=True, timeout=120) as answer:
        for chunk in answer.iter_content(MIB):
            digest.update(chunk)
            received += len(chunk)
    during_download = peak_memory(fast_place.server) - before
    assert received == size
    assert digest.hexdigest() == hashlib.file_digest(large.open("rb"), "sha256").hexdigest()
    assert during_upload < allowed and during_download < allowed, (during_upload / MIB, during_download / MIB)
    assert exactly(fast_place, "DELETE", f"{PROXY}/artifacts/memory") == (200, b"{}")


def peak_memory(server: tidegate.Server, reset: bool = False) -> int:
    """The most memory that the server had since the last reset, in bytes."""
    process = Path(f"/proc/{server.process.pid}")
    line = next(it for it in (process / "status").read_text().splitlines() if it.startswith("VmHWM:"))
    if reset:
        (process / "clear_refs").write_text("5")
    return int(line.split()[1]) * 1024


def test_azure_refuses_a_wrong_key_and_no_log_shows_it(azure, tmp_path):
    wrong = "d3Jvbmcta2V5LXRoYXQtbm8tbG9nLW1heS1zaG93"
    settings = f"AccountName={ACCOUNT};AccountKey={wrong};BlobEndpoint={azure.url}"
    env = {"AZURE_STORAGE_CONNECTION_STRING": settings, "TIDEGATE_LOG": "debug"}
    with start(tmp_path, f"wasbs://{BUCKET}@{ACCOUNT}.blob.core.windows.net", env) as server:
        answer = requests.put(f"{server.url}{PROXY}/artifacts/a", data=b"x", timeout=60)
        assert (answer.status_code, answer.json()["error_code"]) == (403, "PERMISSION_DENIED"), answer.text
        assert wrong not in server.log + answer.text


def test_secrets_are_shown_nowhere(s3, tmp_path):
    wrong = "wrong-secret-that-no-log-may-show"
    env = s3.env | {"AWS_SECRET_ACCESS_KEY": wrong, "AWS_SESSION_TOKEN": "session-token-that-no-log-may-show"}
    with start(tmp_path, f"s3://{BUCKET}/x", env | {"TIDEGATE_LOG": "debug"}) as server:
        url = f"{server.url}{PROXY}"
        answers = [
            requests.put(f"{url}/artifacts/a", data=b"x", timeout=60),
            requests.get(f"{url}/artifacts/a", timeout=60),
            requests.get(f"{url}/artifacts?path=a", timeout=60),
            requests.delete(f"{url}/artifacts/a", timeout=60),
        ]
        for answer in answers:
            body = answer.json()
            assert (answer.status_code, body["error_code"]) == (403, "PERMISSION_DENIED"), body
            assert f"`s3://{BUCKET}` was refused" in body["message"]
            assert "check this server's credentials" in body["message"]
        shown = server.log + "".join(answer.text for answer in answers)
    for secret in [wrong, SECRET, "session-token-that-no-log-may-show"]:
        assert secret not in shown


def test_a_refused_upload_says_why_although_it_is_still_being_sent(s3, tmp_path):
    """The store refuses after the first part; the client must come to read the answer, not meet a closed connection."""
    with start(tmp_path, f"s3://{BUCKET}/x", s3.env | {"AWS_SECRET_ACCESS_KEY": "wrong"}) as server:
        answer = requests.put(f"{server.url}{PROXY}/artifacts/a", data=b"x" * (30 * MIB), timeout=60)
        assert (answer.status_code, answer.json()["error_code"]) == (403, "PERMISSION_DENIED")
        answer = requests.put(f"{server.url}{PROXY}/artifacts/a%5cb", data=b"x" * (30 * MIB), timeout=60)
        assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_buckets_that_are_not_there(s3, tmp_path):
    with start(tmp_path / "bucket", "s3://nowhere", s3.env) as server:
        answer = requests.get(f"{server.url}{PROXY}/artifacts?path=a", timeout=60)
        assert (answer.status_code, answer.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
        assert "bucket `s3://nowhere` does not exist" in answer.json()["message"]
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # nobody listens here
        port = unused.getsockname()[1]
        env = s3.env | {"MLFLOW_S3_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
        with start(tmp_path / "service", f"s3://{BUCKET}", env) as server:
            answer = requests.get(f"{server.url}{PROXY}/artifacts?path=a", timeout=120)
            assert answer.status_code == 500
            assert f"in `s3://{BUCKET}` failed" in answer.json()["message"]
            assert "Connection refused" in server.log
            assert KEY not in server.log


@pytest.mark.parametrize(
    ("destination", "env", "expect"),
    [
        ("dbfs:/x", {}, "`dbfs:/x` is not supported"),
        ("hdfs://namenode/x", {}, "`hdfs://namenode/x` is not supported"),
        ("ftp://me:secret@host/x", {}, "`ftp://host/x` is not supported"),
        ("s3:///x", {}, "it names no bucket"),
        ("wasbs://c@account/x", {}, "blob.core"),
        ("s3://b", {"AWS_ACCESS_KEY_ID": "only-half"}, "belong together"),
        ("s3://b", {"MLFLOW_S3_UPLOAD_EXTRA_ARGS": '{"ACL": "x"}'}, "`ACL` is not supported"),
        ("s3://b", {"MLFLOW_S3_ENDPOINT_URL": "localhost"}, "MLFLOW_S3_ENDPOINT_URL must be an address"),
    ],
)
def test_destinations_that_cannot_work_stop_the_start(tmp_path, destination, env, expect):
    store = f"sqlite:///{tmp_path}/mlflow.db"
    command = ["server", "--no-gateway", "--port", "0", "--backend-store-uri", store]
    done = tidegate.run(*command, "--artifacts-destination", destination, cwd=tmp_path, env=env, timeout_s=60)
    assert done.code != 0
    assert expect in done.output and "panicked" not in done.output
    assert "secret" not in done.output
