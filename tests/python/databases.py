"""Databases of their own for tests, on the three kinds of server that the tracking store speaks to."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import pytest
import sqlalchemy

KINDS = ("sqlite", "postgresql", "mysql")
DRIVERS = {"postgresql": "postgresql+psycopg2", "mysql": "mysql+pymysql"}
ADMIN = {"postgresql": "TIDEGATE_TEST_POSTGRES", "mysql": "TIDEGATE_TEST_MYSQL"}


class Databases:
    """Makes databases, and drops them when the session ends."""

    def __init__(self) -> None:
        self._made: list[tuple[str, str]] = []

    def fresh(self, kind: str, folder: Path) -> str:
        """The URI of a new, empty database; a file in the folder for SQLite."""
        name = f"tidegate_{uuid.uuid4().hex[:12]}"
        if kind == "sqlite":
            return f"sqlite:///{folder}/{name}.db"
        uri = admin(kind)
        execute(uri, f"CREATE DATABASE {name}" + (" CHARACTER SET utf8mb4" if kind == "mysql" else ""))
        self._made.append((kind, name))
        return uri.set(database=name).render_as_string(hide_password=False)

    def close(self) -> None:
        for kind, name in self._made:
            execute(admin(kind), f"DROP DATABASE {name}" + (" WITH (FORCE)" if kind == "postgresql" else ""))


def admin(kind: str) -> sqlalchemy.URL:
    """The URI of a user who may create databases; the test is skipped where no such server is named."""
    if uri := os.environ.get(ADMIN[kind]):
        return sqlalchemy.make_url(uri).set(drivername=DRIVERS[kind])
    pytest.skip(f"{ADMIN[kind]} is not set; run the tests as `scripts/services.sh pytest …`")


def execute(uri: str | sqlalchemy.URL, *statements: str) -> list:
    """Runs statements, each committed by itself, and returns the rows of the last one."""
    engine = sqlalchemy.create_engine(uri, isolation_level="AUTOCOMMIT", poolclass=sqlalchemy.NullPool)
    rows = []
    with engine.connect() as connection:
        for statement in statements:
            result = connection.execute(sqlalchemy.text(statement))
            rows = result.fetchall() if result.returns_rows else []
    engine.dispose()
    return rows
