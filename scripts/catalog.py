"""Builds the list of vendors and models that the administration offers: `scripts/catalog.py`, where MLflow is installed.

The source is the PyPI package `mlflow` (Apache-2.0): its catalog of models and its table of what vendors want to be
told. gateway/catalog/README.md describes what is written.
"""

import gzip
import json
import os
from pathlib import Path

os.environ["MLFLOW_MODEL_CATALOG_URI"] = ""  # what the package holds, not what its makers publish later

import mlflow  # noqa: E402
from mlflow.utils import providers as catalog  # noqa: E402

OUT = Path(__file__).parent.parent / "gateway" / "catalog"


def main() -> None:
    modes = {it: catalog.get_provider_config_response(it) for it in sorted(catalog._PROVIDER_AUTH_MODES)}
    told = {"mlflow": mlflow.__version__, "providers": sorted(catalog.get_all_providers()), "auth_modes": modes}
    (OUT / "providers.json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    lines = [json.dumps(it, ensure_ascii=False, separators=(",", ":")) for it in catalog.get_models()]
    packed = gzip.compress(("\n".join(lines) + "\n").encode(), mtime=0)
    (OUT / "models.jsonl.gz").write_bytes(packed)
    print(f"{len(lines)} models of {len(told['providers'])} vendors, {len(packed)} bytes")


if __name__ == "__main__":
    main()
