"""The command line on runs whose artifacts lie in a bucket: it reads, writes and empties the bucket by itself."""

from __future__ import annotations

import json

import pytest
import tidegate
from s3_server import S3Server


@pytest.fixture(scope="module")
def s3(tmp_path_factory):
    server = S3Server.start(tmp_path_factory.mktemp("s3"), "tide")
    yield server
    server.process.kill()
    server.process.wait()


def objects(s3: S3Server) -> list[str]:
    return sorted(str(it.relative_to(s3.root)) for it in (s3.root / "tide").rglob("*") if it.is_file())


@pytest.mark.parametrize("behind_the_proxy", [False, True])
def test_there_and_back_and_gone(s3, tmp_path, behind_the_proxy):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    place = ["--tracking-uri", uri, "--artifacts-destination", "s3://tide/served"]

    def done(*args) -> str:
        finished = tidegate.run(*args, env=s3.env)
        assert finished.code == 0, finished.output
        return finished.stdout

    location = [] if behind_the_proxy else ["-l", "s3://tide/own/place"]
    id = done("experiments", "create", "-n", "in a bucket", *location, *place).split()[-1]
    runs = [json.loads(done("runs", "create", "-x", id, *place))["run_id"] for _ in range(2)]
    local = tmp_path / "local"
    (local / "deep").mkdir(parents=True)
    (local / "one.txt").write_text("one")
    (local / "deep/two ü.txt").write_text("two")
    for run_id in runs:
        done("artifacts", "log-artifacts", "-r", run_id, "-l", local, "-a", "into", *place)
    assert len(objects(s3)) == 4, objects(s3)
    listed = json.loads(done("artifacts", "list", "-r", runs[0], "-a", "into", "--json", *place))
    assert listed == [{"path": "into/deep", "is_dir": True}, {"path": "into/one.txt", "is_dir": False, "file_size": 3}]
    done("artifacts", "download", "-r", runs[0], "-d", tmp_path / "got", *place)
    assert (tmp_path / "got/into/deep/two ü.txt").read_text() == "two"

    done("runs", "delete", "--run-id", runs[0], *place)
    gc = ["gc", "--backend-store-uri", uri, "--artifacts-destination", "s3://tide/served"]
    elsewhere = tidegate.run(*gc, env=s3.env | {"MLFLOW_S3_ENDPOINT_URL": "http://127.0.0.1:9"})
    assert elsewhere.code == 1 and runs[0] in elsewhere.stderr and "could not be deleted" in elsewhere.stderr
    assert len(objects(s3)) == 4
    assert f"Run with ID {runs[0]} has been permanently deleted." in done(*gc)
    left = objects(s3)
    assert len(left) == 2 and all(runs[1] in it for it in left)
    done("runs", "delete", "--run-id", runs[1], *place)
    done(*gc)
    assert objects(s3) == []
