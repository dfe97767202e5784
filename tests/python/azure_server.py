"""A real server of Azure's blob protocol, Microsoft's emulator, for artifacts in containers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import socket
import subprocess
import time
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

import requests
import tidegate

ACCOUNT = "tide"
KEY = base64.b64encode(b"test-azure-key-that-no-log-may-show").decode()
VERSION = "2021-08-06"  # of the protocol
START_S = 60


@dataclass
class AzureServer:
    """A running server of blobs with one account."""

    process: subprocess.Popen
    url: str

    @classmethod
    def start(cls, folder: Path, *containers: str) -> AzureServer:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        address = ["--blobHost", "127.0.0.1", "--blobPort", str(port)]
        quiet = ["--silent", "--skipApiVersionCheck", "--disableTelemetry", "--location", str(folder)]
        process = subprocess.Popen(
            [program(), *address, *quiet],
            cwd=folder,
            env=os.environ | {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        server = cls(process, f"http://127.0.0.1:{port}/{ACCOUNT}")
        deadline = time.monotonic() + START_S
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, f"the Azure server ended with {process.returncode}"
            assert time.monotonic() < deadline, f"the Azure server does not listen after {START_S} s"
            time.sleep(0.05)
        for container in containers:
            server._make(container)
        return server

    def _make(self, container: str) -> None:
        """Makes a container: one request, signed with the account's key."""
        headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": VERSION}
        signed = "".join(f"{name}:{value}\n" for name, value in sorted(headers.items()))
        resource = f"/{ACCOUNT}/{ACCOUNT}/{container}\nrestype:container"
        text = "PUT" + "\n" * 12 + signed + resource
        signature = hmac.digest(base64.b64decode(KEY), text.encode(), hashlib.sha256)
        headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(signature).decode()}"
        answer = requests.put(f"{self.url}/{container}?restype=container", headers=headers, timeout=60)
        assert answer.status_code == 201, answer.text

    @property
    def env(self) -> dict[str, str]:
        """What a server needs to use this one, as `mlflow server` needs it."""
        settings = {"AccountName": ACCOUNT, "AccountKey": KEY, "BlobEndpoint": self.url}
        return {"AZURE_STORAGE_CONNECTION_STRING": ";".join(f"{name}={value}" for name, value in settings.items())}

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


def program() -> str:
    """The server's program, installed into the cache folder the first time."""
    if named := os.environ.get("TIDEGATE_TEST_AZURE"):
        return named
    script = tidegate.ROOT / "scripts/azure_server.sh"
    return subprocess.run([script], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
