"""Writes db/schema/sqlite.sql from a database that MLflow 3.17.2 created.

The tables, keys and indexes are MLflow's (Apache-2.0): Tidegate keeps them exactly, constraint names included, so that
either program opens what the other wrote.

    python -c "from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as S; S('sqlite:////tmp/mlflow.db', '/tmp/artifacts')"
    python scripts/schema.py /tmp/mlflow.db > db/schema/sqlite.sql
"""

import re
import sqlite3
import sys


def tidy(sql: str) -> str:
    """One column or constraint a line, single spaces."""
    if sql.startswith("CREATE TRIGGER"):
        return re.sub(r"\s+", " ", sql)
    head, _, body = sql.partition("(")
    if not sql.startswith("CREATE TABLE"):
        return re.sub(r"\s+", " ", sql)
    depth, parts, part = 0, [], ""
    for char in body[: body.rindex(")")]:
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            parts.append(part)
            part = ""
        else:
            part += char
    parts.append(part)
    lines = ",\n".join("  " + re.sub(r"\s+", " ", it).strip() for it in parts)
    return re.sub(r"\s+", " ", head).strip() + " (\n" + lines + "\n)"


def main(path: str) -> None:
    connection = sqlite3.connect(path)
    (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    print(f"-- The schema of MLflow 3.17.2 on SQLite, alembic revision {revision}.")
    print("-- Written by scripts/schema.py; change nothing by hand.")
    order = "CASE type WHEN 'table' THEN 0 WHEN 'index' THEN 1 ELSE 2 END, tbl_name, name"
    for (sql,) in connection.execute(f"SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY {order}"):
        print("\n" + tidy(sql) + ";")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
