"""Runs a command beside a fresh server: `with_server.py COMMAND…` gets TIDEGATE_URL and TIDEGATE_SHOTS."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import tidegate


def main() -> int:
    shots = tidegate.ROOT / "tests/shots"
    shots.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, tidegate.serve(Path(folder)) as server:
        env = os.environ | {"TIDEGATE_URL": server.url, "TIDEGATE_SHOTS": str(shots)}
        return subprocess.run(sys.argv[1:], cwd=tidegate.ROOT, env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
