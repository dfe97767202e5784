"""Starts the real `mlflow server`, the judge of what Tidegate answers."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import requests
import tidegate

START_S = 300  # importing takes 10 s of CPU, a new database 10 s more, and the machine may be busy
STOP_S = 30


class MlflowServer:
    """`mlflow server` with one worker; it and all that it starts end with `stop`."""

    def __init__(self, uri: str, folder: Path, *args: str, env: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.log = folder / "mlflow-server.log"
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
        command += ["--workers", "1", "--backend-store-uri", uri, "--artifacts-destination", str(folder / "artifacts")]
        quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        quiet["MLFLOW_MODEL_CATALOG_URI"] = ""  # the models that the package knows, not those published since
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*command, *args],
                cwd=folder,
                env=tidegate.environment(quiet | (env or {})),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait(self) -> MlflowServer:
        """Returns once it answers."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if requests.get(f"{self.url}/health", timeout=10).ok:
                    return self
            except requests.RequestException:
                pass
            time.sleep(0.2)
        self.stop()
        raise AssertionError(f"mlflow server did not start:\n{self.log.read_text()[-4000:]}")

    def stop(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()

    def __enter__(self) -> MlflowServer:
        return self.wait()

    def __exit__(self, *_) -> None:
        self.stop()
