"""One database and artifact folder, two servers: what either wrote, the other reads, on all three kinds of database."""

from __future__ import annotations

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import a_bit_of_everything
import pytest
import sqlalchemy
import tidegate
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from compare import differing
from databases import execute
from mlflow import MlflowClient
from mlflow.store.db.base_sql_model import Base
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from real_mlflow import MlflowServer

WRITERS = 6
WRITES = 25


def equal(ours: dict, theirs: dict) -> None:
    lines = list(differing(ours, theirs))
    assert not lines, "\n".join(lines[:40])


def test_the_round_trip(tmp_path, database):
    """MLflow fills a database, Tidegate reads and adds, both write at once, MLflow opens it again."""
    with MlflowServer(database, tmp_path) as mlflow_server:
        a_bit_of_everything.write(mlflow_server.url, "mlflow")
        before = a_bit_of_everything.read(mlflow_server.url)
    assert len(before["runs"]) == 6
    assert len(before["traces"]) == 1
    assert len(before["artifacts"]) == 2
    schema = dump(database)

    with tidegate.serve(tmp_path, gateway_config=None, database=database) as server:
        equal(a_bit_of_everything.read(server.url), before)
        a_bit_of_everything.write(server.url, "tidegate")
        ours = a_bit_of_everything.read(server.url)
        assert len(ours["runs"]) == 12
        upgrade(database)
        assert dump(database) == schema

        with MlflowServer(database, tmp_path) as mlflow_server:
            equal(ours, a_bit_of_everything.read(mlflow_server.url))
            a_bit_of_everything.write(mlflow_server.url, "mlflow again")
            equal(a_bit_of_everything.read(server.url), a_bit_of_everything.read(mlflow_server.url))
            together(server.url, mlflow_server.url)
            equal(a_bit_of_everything.read(server.url), a_bit_of_everything.read(mlflow_server.url))


def together(*urls: str) -> None:
    """Both servers write to one run, each with several clients at once; nothing fails and nothing is lost."""
    client = MlflowClient(urls[0])
    run_id = client.create_run("0", run_name="together").info.run_id
    client.set_tag(run_id, "last", "")  # two first writers of one tag collide within MLflow, which looks before it inserts

    def write(number: int) -> None:
        mine = MlflowClient(urls[number % 2])
        for step in range(WRITES):
            mine.log_metric(run_id, "shared", number, 1_700_000_000_000, step * WRITERS + number)
            mine.log_param(run_id, f"p {number} {step}", step)
            mine.set_tag(run_id, "last", f"{number} {step}")

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(WRITERS)))
    run = client.get_run(run_id)
    assert run.data.metrics["shared"] == WRITERS - 1, "the highest step is the latest"
    assert len(run.data.params) == WRITERS * WRITES
    assert [it.step for it in client.get_metric_history(run_id, "shared")] == list(range(WRITERS * WRITES))


def test_a_new_database_is_as_mlflow_makes_it(tmp_path, kind, databases):
    """Tables, columns, keys, indexes, and what alembic would change: nothing."""
    ours, theirs = databases.fresh(kind, tmp_path), databases.fresh(kind, tmp_path)
    with tidegate.serve(tmp_path, gateway_config=None, database=ours):
        pass
    SqlAlchemyStore(theirs, str(tmp_path))
    equal(dump(ours), dump(theirs))
    assert changes(ours) == changes(theirs)
    upgrade(ours)


def upgrade(uri: str) -> None:
    """`mlflow db upgrade` finds nothing to do."""
    command = [sys.executable, "-m", "mlflow", "db", "upgrade", uri]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "Running upgrade" not in done.stderr, done.stderr


def changes(uri: str) -> list[str]:
    """What alembic would change for the tables to be as MLflow's code describes them, which its own are not quite."""
    engine = sqlalchemy.create_engine(uri, poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    return sorted(re.sub(r" at 0x[0-9a-f]+", "", str(it)) for it in found)


def dump(uri: str) -> dict:
    """The schema as the database describes it."""
    engine = sqlalchemy.create_engine(uri, poolclass=sqlalchemy.NullPool)
    inspector = sqlalchemy.inspect(engine)

    def columns(table: str) -> dict:
        found = inspector.get_columns(table)
        return {
            it["name"]: [repr(it["type"]), it["nullable"], str(it["default"]), it.get("autoincrement")] for it in found
        }

    tables = {
        table: {
            "columns": columns(table),
            "order": [it["name"] for it in inspector.get_columns(table)],
            "primary key": inspector.get_pk_constraint(table),
            "foreign keys": sorted(inspector.get_foreign_keys(table), key=str),
            "unique": sorted(inspector.get_unique_constraints(table), key=str),
            "checks": sorted((it["name"] or "", it["sqltext"]) for it in inspector.get_check_constraints(table)),
            "indexes": sorted(inspector.get_indexes(table), key=str),
        }
        for table in inspector.get_table_names()
    }
    engine.dispose()
    if uri.startswith("sqlite"):
        tables["as text"] = sorted(map(str, execute(uri, "SELECT type, name, tbl_name FROM sqlite_master")))
    tables["revision"] = [str(row) for row in execute(uri, "SELECT version_num FROM alembic_version")]
    return tables


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
def test_a_database_of_another_revision_is_refused(tmp_path, database):
    SqlAlchemyStore(database, str(tmp_path))
    execute(database, "UPDATE alembic_version SET version_num = 'abc123'")
    refused = tidegate.run("server", "--no-gateway", "--port", "0", "--backend-store-uri", database, cwd=tmp_path)
    assert refused.code != 0
    assert "abc123" in refused.stderr and "upgrade" in refused.stderr, refused.stderr
