"""Writes db/schema/*.sql from databases that MLflow 3.17.2 created.

The tables, keys and indexes are MLflow's (Apache-2.0): Tidegate keeps them exactly, constraint names included, so that
either program opens what the other wrote.

    mlflow db upgrade sqlite:////tmp/mlflow.db
    mlflow db upgrade postgresql+psycopg2://user:password@127.0.0.1/empty
    mlflow db upgrade mysql+pymysql://user:password@127.0.0.1/empty
    python scripts/schema.py sqlite:////tmp/mlflow.db > db/schema/sqlite.sql
    python scripts/schema.py postgresql://user:password@127.0.0.1/empty > db/schema/postgresql.sql
    python scripts/schema.py mysql://user:password@127.0.0.1/empty > db/schema/mysql.sql

PostgreSQL needs `pg_dump` on the path, MySQL the Python package `pymysql`.
"""

import re
import sqlite3
import subprocess
import sys
from urllib.parse import unquote, urlsplit


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


def head(name: str, revision: str) -> None:
    print(f"-- The schema of MLflow 3.17.2 on {name}, alembic revision {revision}.")
    print("-- Written by scripts/schema.py; change nothing by hand.")


def sqlite(path: str) -> None:
    connection = sqlite3.connect(path)
    (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    head("SQLite", revision)
    order = "CASE type WHEN 'table' THEN 0 WHEN 'index' THEN 1 ELSE 2 END, tbl_name, name"
    for (sql,) in connection.execute(f"SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY {order}"):
        print("\n" + tidy(sql) + ";")


def postgresql(uri: str) -> None:
    def run(*command: str) -> str:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    revision = run("psql", uri, "-Atc", "SELECT version_num FROM alembic_version").strip()
    head("PostgreSQL", revision)
    dump = run("pg_dump", uri, "--schema-only", "--no-owner", "--no-privileges", "--no-tablespaces")
    # Settings of the session and remarks say nothing of the schema; tables go into the user's own first schema.
    kept = [line for line in dump.splitlines() if not re.match(r"(--|SET |SELECT pg_catalog|\\)", line)]
    text = "\n".join(kept).replace("public.", "")
    # A check as MLflow writes it; as the dump has it, the database would keep it in another form.
    check = r"\(\((\w+)\)::text = ANY \(\(ARRAY\[([^\]]*)\]\)::text\[\]\)\)"
    text = re.sub(check, lambda it: f"({it[1]} IN ({it[2].replace('::character varying', '')}))", text)
    print("\n" + re.sub(r"\n{3,}", "\n\n", text).strip())


def mysql(uri: str) -> None:
    import pymysql

    address = urlsplit(uri)
    connection = pymysql.connect(
        host=address.hostname,
        port=address.port or 3306,
        user=unquote(address.username or ""),
        password=unquote(address.password or ""),
        database=address.path.lstrip("/"),
    )
    cursor = connection.cursor()

    def rows(sql: str) -> list[tuple]:
        cursor.execute(sql)
        return list(cursor.fetchall())

    head("MySQL", rows("SELECT version_num FROM alembic_version")[0][0])
    for (table,) in sorted(rows("SHOW TABLES")):
        sql = rows(f"SHOW CREATE TABLE `{table}`")[0][1]
        # The server's own defaults, widths that mean nothing, and names that each server makes up for itself.
        sql = re.sub(r"\) ENGINE=[^\n]*$", ")", sql)
        sql = re.sub(r"\b(bigint|int)\(\d+\)", r"\1", sql)
        sql = re.sub(r"CONSTRAINT `(CONSTRAINT_\d+|\w+_chk_\d+)` CHECK", "CHECK", sql)
        sql = re.sub(r"longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "json", sql)
        sql = re.sub(r" CHECK \(json_valid\(`\w+`\)\)", "", sql)
        print("\n" + sql + ";")
    for trigger in sorted(rows("SHOW TRIGGERS")):
        name, event, table, statement, timing = trigger[:5]
        print(f"\nCREATE TRIGGER `{name}` {timing} {event} ON `{table}` FOR EACH ROW\n{statement};")


def main(uri: str) -> None:
    scheme, _, rest = uri.partition("://")
    match scheme.partition("+")[0]:
        case "sqlite":
            sqlite(rest.removeprefix("/"))
        case "postgresql":
            postgresql(f"postgresql://{rest}")
        case "mysql":
            mysql(uri)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
