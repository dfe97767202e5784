"""Tidegate and a real `mlflow server` side by side on one database."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
import sqlalchemy
import tidegate

KINDS = ["sqlite", "postgresql", "mysql"]
ADMIN = {"postgresql": "TIDEGATE_TEST_POSTGRES", "mysql": "TIDEGATE_TEST_MYSQL"}
DRIVER = {"postgresql": "postgresql+psycopg2", "mysql": "mysql+pymysql"}
START_S = 300  # importing MLflow takes 10 s of CPU, and the machine may be busy
STOP_S = 30


@contextmanager
def both(kind: str, folder: Path) -> Iterator[tuple[tidegate.Server, str]]:
    """Tidegate, and the address of the `mlflow server` that reads the same database."""
    with database(kind, folder) as uri:
        arguments = ["--backend-store-uri", uri, "--artifacts-destination", folder / "artifacts", "--no-gateway"]
        with tidegate.Server.start("server", "--host", "127.0.0.1", *arguments, cwd=folder) as ours:
            with mlflow_server(uri, folder) as theirs:
                yield ours, theirs


@contextmanager
def database(kind: str, folder: Path) -> Iterator[str]:
    """The URI of an empty database, dropped at the end; the test is skipped where no server of the kind is named."""
    if kind == "sqlite":
        yield f"sqlite:///{folder}/mlflow.db"
        return
    if not (named := os.environ.get(ADMIN[kind])):
        pytest.skip(f"{ADMIN[kind]} is not set; run the tests as `scripts/services.sh … -m pytest …`")
    admin = sqlalchemy.make_url(named).set(drivername=DRIVER[kind])
    name = f"search_{uuid.uuid4().hex[:12]}"
    execute(admin, f"CREATE DATABASE {name}" + (" CHARACTER SET utf8mb4" if kind == "mysql" else ""))
    try:
        yield admin.set(database=name).render_as_string(hide_password=False)
    finally:
        execute(admin, f"DROP DATABASE {name}" + (" WITH (FORCE)" if kind == "postgresql" else ""))


def execute(uri: sqlalchemy.URL, statement: str) -> None:
    engine = sqlalchemy.create_engine(uri, isolation_level="AUTOCOMMIT", poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(statement))
    engine.dispose()


@contextmanager
def mlflow_server(uri: str, folder: Path) -> Iterator[str]:
    """The address of an `mlflow server` with one worker; all that it starts ends with it."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    log = folder / "mlflow-server.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, "--backend-store-uri", uri, "--artifacts-destination", str(folder / "artifacts")],
            cwd=folder,
            env=tidegate.environment(quiet),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + START_S
        while not answers(url):
            assert process.poll() is None and time.monotonic() < deadline, f"no mlflow server:\n{log.read_text()[-4000:]}"
            time.sleep(0.2)
        yield url
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/health", timeout=10).ok
    except requests.RequestException:
        return False
