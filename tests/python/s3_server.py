"""A real S3 server over a folder, for artifacts in buckets."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import tidegate

KEY = "test-access-key"
SECRET = "test-secret-key-that-no-log-may-show"
START_S = 30


@dataclass
class S3Server:
    """A running S3 server; its buckets are the folders in its root, and its objects are the files in them."""

    process: subprocess.Popen
    url: str
    root: Path

    @classmethod
    def start(cls, root: Path, *buckets: str) -> S3Server:
        for bucket in buckets:
            (root / bucket).mkdir(parents=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        keys = ["--access-key", KEY, "--secret-key", SECRET]
        process = subprocess.Popen(
            [binary(), "--host", "127.0.0.1", "--port", str(port), *keys, str(root)],
            env=os.environ | {"RUST_LOG": "error"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + START_S
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return cls(process, f"http://127.0.0.1:{port}", root)
            assert process.poll() is None, f"the S3 server ended with {process.returncode}"
            assert time.monotonic() < deadline, f"the S3 server does not listen after {START_S} s"
            time.sleep(0.05)

    @property
    def env(self) -> dict[str, str]:
        """What a server needs to use this one, as `mlflow server` needs it."""
        return {
            "MLFLOW_S3_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def parts(self) -> list[str]:
        """Uploads that were begun and neither completed nor aborted, with their parts."""
        return sorted(it.name for it in self.root.iterdir() if it.name.startswith((".upload-", ".upload_id-")))

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


def binary() -> str:
    """The S3 server's program, built into the cache folder the first time."""
    if named := os.environ.get("TIDEGATE_TEST_S3"):
        return named
    script = tidegate.ROOT / "scripts/s3_server.sh"
    return subprocess.run([script], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
