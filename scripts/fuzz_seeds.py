"""Unpacks the bodies of recorded requests into a folder, a file each: `scripts/fuzz_seeds.py RECORDINGS FOLDER`."""

import gzip
import hashlib
import json
import sys
from pathlib import Path

# Longer ones are pictures and files, in which a fuzzer changes bytes that nobody reads.
BYTES_MAX = 6000


def main(recordings: str, folder: str) -> None:
    Path(folder).mkdir(parents=True, exist_ok=True)
    with gzip.open(recordings, "rt") as lines:
        for line in lines:
            request = json.loads(line)["request"]
            body = json.dumps(request, separators=(",", ":"), ensure_ascii=False).encode()
            if request and len(body) <= BYTES_MAX:
                (Path(folder) / hashlib.sha256(body).hexdigest()[:16]).write_bytes(body)


if __name__ == "__main__":
    main(*sys.argv[1:])
