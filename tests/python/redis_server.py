"""A real Redis of a test's own, which it may stop."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time

import pytest
import redis

READY_S = 30  # redis-server needs a tenth of a second on an idle machine


class Redis:
    """A Redis of a test's own, which it may stop."""

    def __init__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}"
        self.start()

    def start(self):
        """Starts it, on the same port as before, with nothing in it."""
        command = ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + READY_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert self.process.poll() is None and time.monotonic() < end, "redis-server did not start"
                time.sleep(0.05)

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port)

    def stop(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def redis_or_skip() -> Redis:
    """A Redis that runs; without the program the test is skipped, but not in CI, where services.sh installs it."""
    if shutil.which("redis-server") is None:
        assert not os.environ.get("CI"), "the tests need redis-server: scripts/services.sh installs it"
        pytest.skip("there is no redis-server")
    return Redis()
