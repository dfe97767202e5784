"""`tidegate db`: checks a database, creates one, and upgrades older ones as MLflow does."""

from __future__ import annotations

import json
import shutil
import sqlite3

import pytest
import tidegate
from alembic import command
from mlflow import MlflowClient
from mlflow.store.db.utils import _get_alembic_config, _upgrade_db
from mlflow.store.tracking.dbmodels.initial_models import Base as Initial
from sqlalchemy import create_engine

REVISION = "dc11669786a5"  # MLflow 3.17.2

# From MLflow 2.4 on, one where something changes for the rows.
OLDER = ["7f2a7d5fae7d", "400f98739977", "bf29a5ff90ea", "1b5f0d9ad7c1", "75868b020152"]

# What an old database holds; a table or column that a revision does not know yet is left out.
ROWS = {
    "experiments": [
        {"experiment_id": 0, "name": "Default", "artifact_location": "/a/0", "lifecycle_stage": "active", "creation_time": 1},
        {"experiment_id": 7, "name": "tides", "artifact_location": "/a/7", "lifecycle_stage": "deleted", "last_update_time": 2},
    ],
    "experiment_tags": [{"key": "k", "value": "ünïcode", "experiment_id": 7}],
    "runs": [
        {
            "run_uuid": "r1", "name": "first", "source_type": "LOCAL", "source_name": "", "entry_point_name": "",
            "user_id": "ada", "status": "FINISHED", "start_time": 1, "end_time": 2, "source_version": "",
            "lifecycle_stage": "active", "artifact_uri": "/a/7/r1", "experiment_id": 7, "deleted_time": None,
        }
    ],
    "metrics": [
        {"key": "loss", "value": 0.1, "timestamp": 1, "run_uuid": "r1", "step": it, "is_nan": 0} for it in range(20)
    ],
    "latest_metrics": [{"key": "loss", "value": 0.1, "timestamp": 1, "run_uuid": "r1", "step": 19, "is_nan": 0}],
    "params": [{"key": "p", "value": "x" * 400, "run_uuid": "r1"}],
    "tags": [{"key": "mlflow.runName", "value": "first", "run_uuid": "r1"}],
    "registered_models": [{"name": "m", "creation_time": 1, "last_updated_time": 2, "description": "d"}],
    "registered_model_tags": [{"name": "m", "key": "k", "value": "v"}],
    "registered_model_aliases": [{"name": "m", "alias": "best", "version": 1}],
    "model_versions": [
        {"name": "m", "version": 1, "creation_time": 1, "last_updated_time": 2, "current_stage": "None", "run_id": "r1"}
    ],
    "model_version_tags": [{"name": "m", "version": 1, "key": "k", "value": "v"}],
    "datasets": [
        {"dataset_uuid": "d1", "experiment_id": 7, "name": "d", "digest": "1", "dataset_source_type": "x", "dataset_source": "y"}
    ],
    "inputs": [
        {"input_uuid": "i1", "source_type": "DATASET", "source_id": "d1", "destination_type": "RUN", "destination_id": "r1"}
    ],
    "input_tags": [{"input_uuid": "i1", "name": "k", "value": "v"}],
    "logged_models": [
        {
            "model_id": "m-1", "experiment_id": 7, "name": "lm", "artifact_location": "/a/7/m", "creation_timestamp_ms": 1,
            "last_updated_timestamp_ms": 2, "status": 2, "lifecycle_stage": "active", "source_run_id": "r1",
        }
    ],
    "logged_model_params": [{"model_id": "m-1", "experiment_id": 7, "param_key": "p", "param_value": "1"}],
    "jobs": [
        {
            "id": f"j{status}", "creation_time": 1, "function_fullname": "f", "job_name": "f", "params": "{}",
            "status": status, "retry_count": 0, "last_update_time": 1,
        }
        for status in range(4)
    ],
}


def alembic_to(database, revision: str) -> None:
    """Makes a database of an older revision with MLflow's own migrations."""
    uri = f"sqlite:///{database}"
    engine = create_engine(uri)
    Initial.metadata.create_all(engine)
    config = _get_alembic_config(uri)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


def fill(database) -> None:
    with sqlite3.connect(database) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        for table, rows in ROWS.items():
            if table not in tables:
                continue
            known = {it[1] for it in connection.execute(f"PRAGMA table_info({table})")}
            for row in rows:
                kept = {key: value for key, value in row.items() if key in known}
                columns, marks = ", ".join(f'"{key}"' for key in kept), ", ".join("?" * len(kept))
                connection.execute(f'INSERT INTO "{table}" ({columns}) VALUES ({marks})', list(kept.values()))


def rows(database) -> dict[str, list[str]]:
    """All rows, each by its columns' names, without the moment at which jobs were cancelled."""
    with sqlite3.connect(database) as connection:
        connection.row_factory = sqlite3.Row
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        found = {name: [dict(it) for it in connection.execute(f'SELECT * FROM "{name}"')] for (name,) in names.fetchall()}
    for job in found.get("jobs", []):
        job["last_update_time"] = job["last_update_time"] > 1
    return {name: sorted(repr(sorted(row.items())) for row in of) for name, of in found.items()}


def mlflow_upgrade(database) -> None:
    """What `mlflow db upgrade` does."""
    engine = create_engine(f"sqlite:///{database}")
    _upgrade_db(engine)
    engine.dispose()


def schema(database) -> list:
    with sqlite3.connect(database) as connection:
        return connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY 1, 2").fetchall()


@pytest.mark.parametrize("revision", OLDER)
def test_an_older_database_becomes_what_mlflow_makes_of_it(tmp_path, revision):
    ours, theirs = tmp_path / "ours.db", tmp_path / "theirs.db"
    alembic_to(ours, revision)
    fill(ours)
    shutil.copy(ours, theirs)
    checked = tidegate.run("db", "check", f"sqlite:///{ours}")
    assert checked.code == 1 and revision in checked.stdout and "tidegate db upgrade" in checked.stdout
    refused = tidegate.run("experiments", "search", "--tracking-uri", f"sqlite:///{ours}")
    assert refused.code == 2 and "tidegate db upgrade" in refused.stderr

    done = tidegate.run("db", "upgrade", f"sqlite:///{ours}")
    assert done.code == 0, done.output
    assert f"from revision {revision} to {REVISION}" in done.stdout
    mlflow_upgrade(theirs)
    expected, found = rows(theirs), rows(ours)
    assert found.keys() == expected.keys()
    for table in expected:
        assert found[table] == expected[table], table
    before = schema(ours)
    mlflow_upgrade(ours)
    assert (schema(ours), rows(ours)) == (before, found), "MLflow finds nothing left to do"
    with sqlite3.connect(ours) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    assert MlflowClient(f"sqlite:///{ours}").get_run("r1").data.params == {"p": "x" * 400}


def test_what_only_mlflow_can_upgrade_is_left_as_it_is(tmp_path):
    database = tmp_path / "old.db"
    alembic_to(database, "1b5f0d9ad7c1")
    fill(database)
    with sqlite3.connect(database) as connection:
        connection.execute(
            "INSERT INTO trace_info (request_id, experiment_id, timestamp_ms, status) VALUES ('tr-1', 7, 1, 'OK')"
        )
    before = rows(database)
    refused = tidegate.run("db", "upgrade", f"sqlite:///{database}")
    assert refused.code != 0 and "traces" in refused.stderr
    assert f"pip install mlflow==3.17.2 && mlflow db upgrade sqlite:///{database}" in refused.stderr
    assert rows(database) == before

    older = tmp_path / "older.db"
    alembic_to(older, "cc1f77228345")
    refused = tidegate.run("db", "upgrade", f"sqlite:///{older}")
    assert refused.code != 0 and "no revision that Tidegate knows" in refused.stderr

    foreign = tmp_path / "foreign.db"
    alembic_to(foreign, "75868b020152")
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE mine (x)")
        connection.execute("INSERT INTO mine VALUES (1)")
    before = rows(foreign)
    refused = tidegate.run("db", "upgrade", f"sqlite:///{foreign}")
    assert refused.code != 0 and "the table mine is none of MLflow's" in refused.stderr
    assert rows(foreign) == before


def test_an_empty_database_is_created_and_then_in_order(tmp_path):
    uri = f"sqlite:///{tmp_path}/new.db"
    missing = tidegate.run("db", "check", uri)
    assert missing.code == 2 and "there is no database" in missing.stderr and not (tmp_path / "new.db").exists()
    created = tidegate.run("db", "upgrade", uri)
    assert created.code == 0 and "created" in created.stdout
    assert "nothing to do" in tidegate.run("db", "upgrade", uri).stdout
    before = schema(tmp_path / "new.db")
    mlflow_upgrade(tmp_path / "new.db")
    assert schema(tmp_path / "new.db") == before
    MlflowClient(uri).create_experiment("one")
    checked = tidegate.run("db", "check", uri, "--json")
    assert checked.code == 0
    report = json.loads(checked.stdout)
    assert report["revision"] == report["needed_revision"] == REVISION
    assert report["is_current"] is True and report["missing_tables"] == [] and report["rows"]["experiments"] == 2
    assert "in order" in tidegate.run("db", "check", uri).stdout

    with sqlite3.connect(tmp_path / "new.db") as connection:
        connection.execute("DROP TABLE spans")
    broken = tidegate.run("db", "check", uri)
    assert broken.code == 1 and "lacks the tables spans" in broken.stdout


def test_what_is_no_database_of_mlflow_is_told(tmp_path):
    with sqlite3.connect(tmp_path / "other.db") as connection:
        connection.execute("CREATE TABLE other (x)")
    (tmp_path / "text.db").write_text("this is no database, and longer than a header " * 10)
    for name, words in {"other.db": "no MLflow database", "text.db": "not a database"}.items():
        for verb in ("check", "upgrade"):
            done = tidegate.run("db", verb, f"sqlite:///{tmp_path}/{name}")
            assert done.code != 0 and words in done.output, (name, verb, done.output)
