"""The rows that the same calls leave in a database are, column for column, the rows that MLflow writes."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from typing import Any

import a_bit_of_everything
import sqlalchemy
import tidegate
from compare import RANDOM_NAME
from real_mlflow import MlflowServer

DAY_MS = 86_400_000
SHOWN = 40
IDS = re.compile(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"  # a UUID
    r"|(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])"  # one without dashes, also within `m-…` and `tr-…`
    r"|[A-Za-z0-9+/]{22}=="  # sixteen bytes in base64: a trace's id within its spans
)
MOMENT_MS = re.compile(r"(?<!\d)1[789]\d{11}(?!\d)")


def test_the_same_calls_leave_the_same_rows(tmp_path, kind, databases):
    folders = {name: tmp_path / name for name in ("ours", "theirs")}
    for folder in folders.values():
        folder.mkdir()
    uris = {name: databases.fresh(kind, folder) for name, folder in folders.items()}
    with tidegate.serve(folders["ours"], gateway_config=None, database=uris["ours"]) as server:
        a_bit_of_everything.write(server.url, "first")
        a_bit_of_everything.write(server.url, "second")
    with MlflowServer(uris["theirs"], folders["theirs"]) as server:
        a_bit_of_everything.write(server.url, "first")
        a_bit_of_everything.write(server.url, "second")

    ours, theirs = (rows(uris[name], str(folders[name])) for name in ("ours", "theirs"))
    assert ours.keys() == theirs.keys()
    lines = []
    for table in sorted(ours):
        lines += [f"{table}: only tidegate ×{n}: {row}" for row, n in (ours[table] - theirs[table]).items()]
        lines += [f"{table}: only mlflow ×{n}: {row}" for row, n in (theirs[table] - ours[table]).items()]
    assert not lines, "\n".join(lines[:SHOWN])
    filled = {table for table, found in ours.items() if found}
    assert filled >= {"experiments", "runs", "metrics", "latest_metrics", "inputs", "input_tags", "logged_models", "spans"}


def rows(uri: str, folder: str) -> dict[str, Counter]:
    """The rows of all tables; what rightly differs from one server to the next is masked."""
    engine = sqlalchemy.create_engine(uri, poolclass=sqlalchemy.NullPool)
    found = {}
    with engine.connect() as connection:
        for table in sqlalchemy.inspect(engine).get_table_names():
            quoted = engine.dialect.identifier_preparer.quote(table)
            selected = connection.execute(sqlalchemy.text(f"SELECT * FROM {quoted}"))
            found[table] = Counter(masked(dict(row._mapping), folder) for row in selected)
    engine.dispose()
    return found


def masked(row: dict[str, Any], folder: str) -> str:
    return json.dumps({column: cell(value, folder) for column, value in row.items()}, ensure_ascii=False, sort_keys=True)


def cell(value: Any, folder: str) -> Any:
    if isinstance(value, bool) or value is None or isinstance(value, float):
        return value
    if isinstance(value, int):
        return "<now>" if abs(value - time.time() * 1000) < DAY_MS else value
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False, sort_keys=True)
    if isinstance(value, str) and value.startswith("{"):
        value = sorted_json(value)
    text = IDS.sub("<id>", str(value).replace(folder, "<folder>"))
    text = MOMENT_MS.sub(lambda it: "<now>" if abs(int(it[0]) - time.time() * 1000) < DAY_MS else it[0], text)
    return "<name>" if RANDOM_NAME.match(text) else text


def sorted_json(text: str) -> str:
    """An object's text with its keys in one order, which means nothing."""
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, sort_keys=True)
    except ValueError:
        return text
