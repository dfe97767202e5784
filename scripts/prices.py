"""Builds the price table that the gateway ships: `scripts/prices.py MAP CATALOG`.

MAP is `model_prices_and_context_window_backup.json` of the PyPI package `litellm` (MIT); CATALOG is the folder
`mlflow/utils/model_catalog` of the PyPI package `mlflow` (Apache-2.0), for vendors that MAP leaves out. What is written
to gateway/prices/prices.jsonl.gz are facts in a form of our own: a line for each provider and model, amounts in USD,
for a million tokens where they are for tokens. gateway/prices/README.md describes the fields.
"""

import gzip
import json
import sys
from decimal import Decimal
from pathlib import Path

OUT = Path(__file__).parent.parent / "gateway" / "prices" / "prices.jsonl.gz"
MILLION = Decimal(1_000_000)

# Their names of vendors, and ours. Vertex has many, all with one beginning.
VENDORS = {
    "openai": "openai", "text-completion-openai": "openai", "azure": "azure", "azure_text": "azure",
    "azure_ai": "azure", "anthropic": "anthropic", "gemini": "gemini", "bedrock": "bedrock",
    "bedrock_converse": "bedrock", "bedrock_mantle": "bedrock", "cohere": "cohere", "cohere_chat": "cohere",
    "mistral": "mistral", "codestral": "mistral", "groq": "groq", "together_ai": "together", "deepseek": "deepseek",
    "xai": "xai", "fireworks_ai": "fireworks", "fireworks_ai-embedding-models": "fireworks", "cerebras": "cerebras",
    "perplexity": "perplexity", "nvidia_nim": "nvidia", "sambanova": "sambanova", "moonshot": "moonshot",
    "databricks": "databricks", "ai21": "ai21labs", "openrouter": "openrouter",
}  # fmt: skip
PREFIXES = ["azure", "azure_ai", "azure_text", "gemini", "vertex_ai", "bedrock", "bedrock_mantle", "cohere", "mistral",
            "codestral", "groq", "together_ai", "deepseek", "xai", "fireworks_ai", "cerebras", "perplexity",
            "nvidia_nim", "sambanova", "moonshot", "databricks", "ai21", "openrouter", "openai", "anthropic",
            "text-completion-openai"]  # fmt: skip

# Their names of amounts for one token, and ours for a million.
RATES = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cache_read",
    "input_cost_per_token_cache_hit": "cache_read",
    "cache_creation_input_token_cost": "cache_write",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h",
    "output_cost_per_reasoning_token": "reasoning",
    "input_cost_per_audio_token": "audio_input",
    "output_cost_per_audio_token": "audio_output",
    "cache_read_input_audio_token_cost": "audio_cache_read",
    "input_cost_per_image_token": "image_input",
    "output_cost_per_image_token": "image_output",
}
TIERS = {"": "", "_batches": "batch", "_flex": "flex", "_priority": "priority"}
THRESHOLDS_K = (32, 100, 128, 200, 256, 272, 512)

CATALOG_RATES = {
    "input_per_million_tokens": "input",
    "output_per_million_tokens": "output",
    "cache_read_per_million_tokens": "cache_read",
    "cache_write_per_million_tokens": "cache_write",
    "cache_write_1hr_per_million_tokens": "cache_write_1h",
}


def main(map_file: str, catalog: str) -> None:
    prices: dict[tuple[str, str], dict] = {}
    models = json.loads(Path(map_file).read_text(), parse_float=Decimal)
    for key, facts in models.items():
        vendor = vendor_of(facts.get("litellm_provider") or "")
        model = plain(key)
        if vendor and "commitment" not in model and not is_regional(vendor, model):
            add(prices, vendor, model, groups_of(facts), extras_of(facts))
    covered = {vendor for vendor, _ in prices}
    for file in sorted(Path(catalog).glob("*.json")):
        vendor = vendor_of(file.stem)
        if not vendor or vendor in covered:
            continue
        for key, facts in json.loads(file.read_text(), parse_float=Decimal)["models"].items():
            add(prices, vendor, key.removeprefix(file.stem + "/"), catalog_groups(facts.get("pricing", {})), {})
    lines = [json.dumps({"provider": v, "model": m} | price) for (v, m), price in sorted(prices.items())]
    # Without a time in its head, the same facts give the same file.
    OUT.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode(), 9, mtime=0))
    print(f"{len(lines)} prices, {OUT.stat().st_size} bytes")


def vendor_of(name: str) -> str | None:
    return "vertex-ai" if name.startswith("vertex_ai") else VENDORS.get(name)


def plain(key: str) -> str:
    """A model's name as its vendor writes it."""
    for prefix in PREFIXES:
        if key.startswith(prefix + "/"):
            return key[len(prefix) + 1 :]
    return key


def is_regional(vendor: str, model: str) -> bool:
    return vendor == "bedrock" and "/" in model and not model.startswith(("arn:", "converse/"))


def add(prices: dict, vendor: str, model: str, groups: dict, extras: dict) -> None:
    groups = {name: group for name, group in groups.items() if group}
    base = groups.get("", {})
    # Nothing is free: where the source says 0 for both it does not know, or means a trial.
    if not any(Decimal(it) for it in [*base.values(), *extras.values()]):
        return
    price = ({"rates": groups} if groups else {}) | extras
    known = prices.get((vendor, model))
    if known is None or len(json.dumps(known)) < len(json.dumps(price)):
        prices[vendor, model] = price


def groups_of(facts: dict) -> dict:
    groups: dict[str, dict] = {}
    for suffix, tier in TIERS.items():
        for above in (None, *THRESHOLDS_K):
            group = {}
            for theirs, ours in RATES.items():
                name = theirs + (f"_above_{above}k_tokens" if above else "") + suffix
                if facts.get(name) is not None:
                    group.setdefault(ours, amount(facts[name] * MILLION))
            groups[tier + (f">{above * 1000}" if above else "")] = group
    return groups


def extras_of(facts: dict) -> dict:
    extras = {}
    searches = facts.get("search_context_cost_per_query") or {}
    medium = searches.get("search_context_size_medium")
    if medium:
        extras["search"] = amount(medium)
    call = facts.get("input_cost_per_request") or facts.get("input_cost_per_query")
    if call:
        extras["call"] = amount(call)
    return extras


def catalog_groups(pricing: dict) -> dict:
    groups = {"": catalog_group(pricing)}
    for tier, rates in pricing.get("service_tiers", {}).items():
        groups[tier] = catalog_group(rates)
    for rates in pricing.get("long_context", []):
        groups[f">{rates['threshold_tokens']}"] = catalog_group(rates)
    return groups


def catalog_group(rates: dict) -> dict:
    return {ours: amount(rates[theirs]) for theirs, ours in CATALOG_RATES.items() if rates.get(theirs) is not None}


def amount(value) -> str:
    """An amount in plain decimal digits, to a millionth: what is smaller is a float's dust."""
    text = f"{Decimal(value).quantize(Decimal('0.000001')):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


if __name__ == "__main__":
    main(*sys.argv[1:])
