"""Starts PostgreSQL and MariaDB in a temporary folder, runs a command beside them, and removes all of it.

services.sh calls this with `initdb`, `postgres` and `mariadbd` on the PATH. The command finds
TIDEGATE_TEST_POSTGRES and TIDEGATE_TEST_MYSQL: SQLAlchemy's URIs of a user who may do anything. A server whose
variable is set already is not started. Without a command the exports are printed, and the servers stay until Ctrl-C.

What is written need not outlive the machine here, so nothing waits for the disk; `--durable` as the first argument
makes commits as safe, and as slow, as they are in production.
"""

import ctypes
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

START_S = 60  # an idle machine needs 2 s
ATTEMPTS = 3  # another process may take a free port before the server does
CONNECTIONS = 300  # several servers under test, each with a pool
PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> int:
    durable = arguments[:1] == ["--durable"]
    command = arguments[1:] if durable else arguments
    for kind in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(kind, lambda number, _: sys.exit(128 + number))
    servers: list[subprocess.Popen] = []
    folder = Path(tempfile.mkdtemp(prefix="tidegate-services-"))
    try:
        folder.chmod(0o711)  # as root, the servers run as users of their own
        environment = {}
        for name, start in (("TIDEGATE_TEST_POSTGRES", postgres), ("TIDEGATE_TEST_MYSQL", mariadb)):
            environment[name] = os.environ.get(name) or started(start, folder, durable, servers)
        return beside(command, environment)
    except KeyboardInterrupt:
        return 130
    finally:
        for server in servers:
            stop(server)
        shutil.rmtree(folder, ignore_errors=True)


def beside(command: list[str], environment: dict[str, str]) -> int:
    """Runs the command to its end, or waits for Ctrl-C when there is none."""
    if not command:
        for name, value in environment.items():
            print(f"export {name}={value}", flush=True)
        while True:
            signal.pause()
    try:
        child = subprocess.Popen(command, env=os.environ | environment)
    except OSError as error:
        raise SystemExit(f"error: cannot run `{command[0]}`: {error.strerror}") from None
    try:
        while True:
            try:
                code = child.wait()
                return code if code >= 0 else 128 - code
            except KeyboardInterrupt:
                pass  # the terminal sent it to the command too, which decides
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait()


def started(start: Callable, folder: Path, durable: bool, servers: list[subprocess.Popen]) -> str:
    """Starts one server on a free port; prints its log and ends when it will not run."""
    for attempt in range(ATTEMPTS):
        home = folder / f"{start.__name__}-{attempt}"
        home.mkdir()
        log = folder / f"{start.__name__}.log"
        with log.open("w") as output:
            server, ready, uri = start(home, free_port(), secrets.token_hex(12), durable, output)
            servers.append(server)
            deadline = time.monotonic() + START_S
            while server.poll() is None and time.monotonic() < deadline:
                if ready():
                    return uri
                time.sleep(0.05)
    raise SystemExit(f"error: {start.__name__} did not start:\n{log.read_text()[-4000:]}")


def postgres(home: Path, port: int, password: str, durable: bool, log):
    user = own(home, "postgres")
    data, secret = home / "data", home / "password"
    secret.write_text(password)
    secret.chmod(0o644)
    initdb = ["initdb", "-D", data, "-U", "tidegate", "-A", "scram-sha-256", f"--pwfile={secret}", "-E", "UTF8"]
    run([*initdb, "--locale=C.UTF-8", "--no-sync"], user, log)
    settings = {
        "port": port,
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "max_connections": CONNECTIONS,
    }
    if not durable:
        settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    flags = [flag for key, value in settings.items() for flag in ("-c", f"{key}={value}")]
    server = spawn(["postgres", "-D", data, *flags], user, log)
    ready = lambda: quiet(["pg_isready", "-q", "-h", "127.0.0.1", "-p", port])  # noqa: E731
    return server, ready, f"postgresql://tidegate:{password}@127.0.0.1:{port}/postgres"


def mariadb(home: Path, port: int, password: str, durable: bool, log):
    user = own(home, "mysql")
    data = home / "data"
    install = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--skip-test-db"]
    run([*install, "--auth-root-authentication-method=normal"], user, log)
    init = home / "init.sql"
    # A line is a statement.
    grant = "CREATE USER tidegate@'{0}' IDENTIFIED BY '{1}';\nGRANT ALL ON *.* TO tidegate@'{0}' WITH GRANT OPTION;\n"
    init.write_text(grant.format("%", password) + grant.format("localhost", password) + "DROP USER root@localhost;\n")
    init.chmod(0o644)
    settings = {
        "datadir": data,
        "port": port,
        "bind-address": "127.0.0.1",
        "skip-name-resolve": 1,
        "socket": home / "socket",
        "pid-file": home / "pid",
        "init-file": init,
        "max-connections": CONNECTIONS,
    }
    if not durable:
        settings |= {"innodb-flush-log-at-trx-commit": 0, "innodb-doublewrite": 0, "sync-binlog": 0}
    server = spawn(["mariadbd", "--no-defaults", *(f"--{key}={value}" for key, value in settings.items())], user, log)
    # Not a ping, which is content with a refused password.
    ask = ["mariadb", "--no-defaults", "-h", "127.0.0.1", "-P", port, "-u", "tidegate", "-e", "SELECT 1"]
    ready = lambda: quiet(ask, MYSQL_PWD=password)  # noqa: E731
    return server, ready, f"mysql+pymysql://tidegate:{password}@127.0.0.1:{port}/mysql"


def own(home: Path, user: str) -> str | None:
    """Gives a folder to the user that the server must run as; None when this process may run it itself."""
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(user)
    except KeyError:
        raise SystemExit(f"error: {user} does not run as root, and there is no user `{user}` to run it as") from None
    shutil.chown(home, user, pwd.getpwnam(user).pw_gid)
    return user


def privileges(user: str | None) -> dict:
    return {} if user is None else {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def run(command: list, user: str | None, log) -> None:
    done = subprocess.run(
        [*map(str, command)], stdout=log, stderr=subprocess.STDOUT, cwd="/", check=False, **privileges(user)
    )
    if done.returncode != 0:
        raise SystemExit(f"error: {command[0]} failed:\n{Path(log.name).read_text()[-4000:]}")


def spawn(command: list, user: str | None, log) -> subprocess.Popen:
    """A server in a session of its own, so that Ctrl-C ends the command first; it dies with this process."""
    libc = ctypes.CDLL(None)
    return subprocess.Popen(
        [*map(str, command)],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        cwd="/",
        start_new_session=True,
        preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL),
        **privileges(user),
    )


def stop(server: subprocess.Popen) -> None:
    """Ends a server whose data nobody needs any more."""
    server.send_signal(signal.SIGQUIT if "postgres" in server.args[0] else signal.SIGKILL)
    try:
        server.wait(10)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def quiet(command: list, **environment: str) -> bool:
    done = subprocess.run([*map(str, command)], capture_output=True, env=os.environ | environment, check=False)
    return done.returncode == 0


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
