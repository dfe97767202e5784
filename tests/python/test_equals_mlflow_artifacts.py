"""Artifacts answer as MLflow's server does: listing, proxied upload, download and removal, and paths that lead out."""

from __future__ import annotations

import itertools

import pytest
from compare import Both, Pair

NAMES = itertools.count()
PROXY = "/api/2.0/mlflow-artifacts/artifacts"
REFUSED = "Invalid path"  # Tidegate goes on to say why
DOWNLOAD = ("content-disposition", "x-content-type-options", "content-length")


@pytest.fixture
def run(pair) -> Both:
    experiment = pair.post("experiments/create", {"name": f"artifacts {next(NAMES)}"})["experiment_id"]
    run = pair.post("runs/create", {"experiment_id": experiment, "run_name": "one"})["run"]["info"]["run_id"]
    for path, data in [
        ("a.txt", b"one"),
        ("b.json", b"{}"),
        ("deep/er/c.bin", bytes(range(256))),
        ("deep/MLmodel", b"flavors: {}"),
        ("empty.md", b""),
        ("na me+ü.py", b"print()"),
    ]:
        pair.call("PUT", f"{PROXY}/{experiment}/{run}/artifacts/{path}", data=data, compared_headers=("content-length",))
    run.root = f"{experiment}/{run}/artifacts"
    return run


def test_listing(pair: Pair, run):
    for query in [{}, {"path": ""}, {"path": "deep"}, {"path": "deep/er"}, {"path": "a.txt"}, {"path": "none"}]:
        pair.get("artifacts/list", run_id=run, **query)
        pair.get("/ajax-api/2.0/mlflow/artifacts/list", run_uuid=run, **query)
    for path in ("", "/deep", "/deep/er", "/none"):
        pair.get(PROXY, path=f"{run.root}{path}")
    for path in ("..", "../x", "/etc", "deep/../..", "%2e%2e/x", "%252e%252e", "C:\\x", "file:///etc", "a#b"):
        pair.call("GET", "artifacts/list", params={"run_id": run, "path": path}, until=REFUSED)
        pair.call("GET", PROXY, params={"path": path}, until=REFUSED)
    pair.get("artifacts/list")


def test_download(pair: Pair, run):
    for path in ("a.txt", "b.json", "deep/er/c.bin", "deep/MLmodel", "empty.md", "na me+ü.py"):
        headers = DOWNLOAD if path.isascii() else DOWNLOAD[1:]  # MLflow adds a second name without the umlaut
        pair.call("GET", f"{PROXY}/{run.root}/{path}", compared_headers=headers)
        pair.call("GET", "/get-artifact", params={"run_id": run, "path": path}, compared_headers=headers)
    ranged = {"range": "bytes=2-5"}
    wanted = {"run_id": run, "path": "deep/er/c.bin"}
    pair.call("GET", "/get-artifact", params=wanted, headers=ranged, compared_headers=("content-range", *DOWNLOAD))
    pair.get(f"{PROXY}/{run.root}/none")
    pair.get("/get-artifact", run_id=run, path="none")
    pair.get("/get-artifact", run_id="0" * 32, path="a.txt")
    for path in ("../x", "/etc/passwd", "%2e%2e/x"):
        pair.call("GET", "/get-artifact", params={"run_id": run, "path": path}, until=REFUSED)


def test_removal(pair: Pair, run):
    pair.call("DELETE", f"{PROXY}/{run.root}/a.txt")
    pair.get("artifacts/list", run_id=run)
    pair.call("DELETE", f"{PROXY}/{run.root}/deep")
    pair.get("artifacts/list", run_id=run)


def test_multipart_and_presigned_are_not_for_a_local_disk(pair: Pair, run):
    pair.post(f"/api/2.0/mlflow-artifacts/mpu/create/{run.root}/x", {"path": "x", "num_parts": 2})
    pair.get(f"/api/2.0/mlflow-artifacts/presigned/{run.root}/a.txt")
