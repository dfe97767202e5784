"""Starts the built binary the way a user does, and talks to it over real sockets."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import requests

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / "configs"
BINARY = Path(os.environ.get("TIDEGATE_BIN", ROOT / "target/release/tidegate"))

READY = re.compile(r"tidegate listening on (http://\S+)")
START_S = 120  # loading the demo model on two busy cores takes a few seconds; a hang must not block the suite
STOP_S = 60  # the server itself gives running requests 30
COMMAND_S = 300
FROM_DATABASE = Path()  # for a gateway configuration: there is none, and endpoints are those of the database


@dataclass
class Finished:
    """A command that ran to its end."""

    code: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        return self.stdout + self.stderr


def run(*args: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None, timeout_s: float = COMMAND_S):
    """Runs `tidegate` with arguments to its end."""
    done = subprocess.run(
        [str(BINARY), *map(str, args)],
        cwd=cwd,
        env=environment(env),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


@dataclass
class Server:
    """A running `tidegate server` or `tidegate gateway`."""

    process: subprocess.Popen
    url: str = ""
    lines: list[str] = field(default_factory=list)

    @classmethod
    def start(cls, *args: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> Server:
        """Starts a command on a free port and returns once it says that it listens."""
        process = subprocess.Popen(
            [str(BINARY), *map(str, args), "--port", "0"],
            cwd=cwd,
            env=environment(env),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        server = cls(process)
        ready = threading.Event()
        threading.Thread(target=server._follow, args=(ready,), daemon=True).start()
        if not ready.wait(START_S) or not server.url:
            process.kill()
            process.wait()
            raise AssertionError(f"tidegate {' '.join(map(str, args))} did not start:\n{server.log}")
        return server

    def _follow(self, ready: threading.Event) -> None:
        for line in self.process.stderr:
            self.lines.append(line)
            if found := READY.search(line):
                self.url = found[1].rstrip("/")
                ready.set()
        ready.set()  # it ended

    @property
    def log(self) -> str:
        return "".join(self.lines)

    def get(self, path: str, **kwargs) -> requests.Response:
        return requests.get(self.url + path, timeout=60, **kwargs)

    def post(self, path: str, json=None, **kwargs) -> requests.Response:
        return requests.post(self.url + path, json=json, timeout=120, **kwargs)

    def stop(self) -> int:
        """Asks the server to end as Ctrl-C does, checks that it never panicked, and returns its exit code."""
        self.process.send_signal(signal.SIGINT)
        try:
            code = self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the server did not end within {STOP_S} s of Ctrl-C:\n{self.log[-4000:]}") from None
        assert "panicked" not in self.log, self.log[-4000:]
        return code

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_) -> None:
        if self.process.poll() is None:
            self.stop()


def serve(
    folder: Path,
    *args: str | Path,
    gateway_config: Path | None = CONFIGS / "gateway.yaml",
    database: str | None = None,
    **kwargs,
) -> Server:
    """Starts a whole server whose data lies in a folder, or its records in another database."""
    gateway = {None: ["--no-gateway"], FROM_DATABASE: []}.get(gateway_config, ["--gateway-config", gateway_config])
    return Server.start(
        "server",
        "--host",
        "127.0.0.1",
        "--backend-store-uri",
        database or f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination",
        folder / "artifacts",
        *gateway,
        *args,
        cwd=folder,
        **kwargs,
    )


def environment(extra: dict[str, str] | None = None) -> dict[str, str]:
    """This process's environment without what would steer Tidegate, plus what a test adds."""
    steers = lambda key: key.startswith(("TIDEGATE_", "MLFLOW_")) and key != "TIDEGATE_MODELS_DIR"  # noqa: E731
    return {key: value for key, value in os.environ.items() if not steers(key)} | (extra or {})


def eventually(read, seconds: float = 30):
    """Asks until the answer is true, for what the server writes after it has answered, such as traces."""
    deadline = time.monotonic() + seconds
    while not (answer := read()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert answer, f"still {answer!r} after {seconds} s"
    return answer
