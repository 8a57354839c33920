"""A private PostgreSQL: in a temporary folder, listening only on 127.0.0.1."""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

from processes import Failure, Program, free_port

HERE = Path(__file__).parent

# Only reads are measured, so fsync and autovacuum are off: rows.sql vacuums. Other settings are
# PostgreSQL's defaults, except for memory.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "300",
    "shared_buffers": "1GB",
    "effective_cache_size": "2GB",
    "max_wal_size": "8GB",
    "maintenance_work_mem": "256MB",
    "fsync": "off",
    "autovacuum": "off",
    "logging_collector": "on",
    "log_destination": "jsonlog",
    "log_directory": "log",
    "log_filename": "statements",
    "log_rotation_size": "0",
    "log_rotation_age": "0",
}


class Postgres:
    """A running server with the superuser `kinoteka` and without passwords."""

    def __init__(self, folder, tools):
        self.tools, self.port = tools, free_port()
        self.data = Path(folder) / "postgres"
        user = None
        if os.getuid() == 0:
            # PostgreSQL refuses to run as root.
            user = "postgres"
            shutil.chown(folder, user)
        initdb = ["initdb", "--pgdata", self.data, "--username=kinoteka", "--auth=trust", "--no-sync",
                  "--encoding=UTF8", "--locale=C.UTF-8"]
        self.run_as(user, initdb)
        command = [tools["postgres"], "-D", self.data, "-p", self.port]
        for name, value in SETTINGS.items():
            command += ["-c", f"{name}={value}"]
        # SIGINT is the shutdown that does not wait for clients.
        self.program = Program("PostgreSQL", command, Path(folder) / "postgres.log", user=user, stop_signal=signal.SIGINT)
        # The log collector starts before the server logs that it is ready.
        try:
            self.wait_ready()
        except BaseException:
            self.program.stop()
            raise

    def run_as(self, user, command):
        wrapper = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"] if user else []
        command = wrapper + [self.tools[command[0]]] + [str(part) for part in command[1:]]
        done = subprocess.run(command, capture_output=True, text=True, cwd="/")
        if done.returncode != 0:
            raise Failure(f"{command} failed:\n{done.stdout}{done.stderr}")

    def wait_ready(self):
        self.program.wait_for("redirecting log output|ready to accept connections")
        check = [self.tools["pg_isready"], "--host=127.0.0.1", f"--port={self.port}", "--timeout=1"]
        for _ in range(60):
            if subprocess.run(check, capture_output=True).returncode == 0:
                return
        raise Failure("PostgreSQL does not respond")

    def url(self, database):
        return f"postgres://kinoteka@127.0.0.1:{self.port}/{database}"

    def environment(self, database):
        """The environment with which PostgreSQL's programs find the database."""
        return {**os.environ, "PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": "kinoteka",
                "PGDATABASE": database, "PGCLIENTENCODING": "UTF8"}

    def psql(self, database, *arguments, text=None):
        command = [self.tools["psql"], "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", *arguments]
        done = subprocess.run(command, input=text, capture_output=True, text=True, env=self.environment(database))
        if done.returncode != 0:
            raise Failure(f"psql {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def ask(self, database, statement):
        """The rows of a statement, each a list of texts."""
        out = self.psql(database, "--field-separator=\x1f", "--command", statement)
        return [line.split("\x1f") for line in out.splitlines()]

    def create(self, database, kinoteka, movies, catalogue=True, sentences=500):
        """Creates a database with the real schema and the benchmark's rows."""
        self.psql("postgres", "--command", f"CREATE DATABASE {database} TEMPLATE template0")
        migrate = [kinoteka, "migrate", "up", "--database-url", self.url(database)]
        done = subprocess.run(migrate, capture_output=True, text=True, cwd="/")
        if done.returncode != 0:
            raise Failure(f"kinoteka migrate up failed:\n{done.stdout}{done.stderr}")
        variables = {"movies": movies, "catalogue": str(catalogue).lower(), "sentences": sentences}
        assignments = [f"--set={name}={value}" for name, value in variables.items()]
        self.psql(database, *assignments, "--file", str(HERE / "rows.sql"))

    def log_statements(self, database, on):
        """Switches the logging of statements on or off for new connections."""
        change = "SET log_min_duration_statement = 0" if on else "RESET log_min_duration_statement"
        self.psql("postgres", "--command", f"ALTER DATABASE {database} {change}")

    def statements_logged(self):
        """The entries of the log, parsed."""
        entries = []
        for line in (self.data / "log" / "statements.json").read_text().splitlines():
            try:
                entries.append(json.loads(line))
            except json.JSONDecodeError:
                # The last line may be incomplete.
                break
        return entries
