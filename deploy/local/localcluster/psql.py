"""SQL by psql, through HAProxy's write port. Statements and variables go by standard input: `ps` does not show it."""

import subprocess
from pathlib import Path

from .problem import Problem
from .programs import client_env
from .settings import DATABASE, Settings

WITHIN_S = 60


def arguments(settings: Settings, role: str, database: str = DATABASE, port: str = "write") -> list[str]:
    """psql's command line."""
    program = str(Path(settings.postgres_bin_dir) / "psql")
    number = str(settings.ports[port])
    return [program, "-X", "-h", settings.front, "-p", number, "-U", role, "-d", database]


def run(settings: Settings, role: str, sql: str, database: str = DATABASE, port: str = "write") -> str:
    """Runs statements and returns their rows, without alignment."""
    command = [*arguments(settings, role, database, port), "-Atq", "-v", "ON_ERROR_STOP=1"]
    try:
        done = subprocess.run(
            command, input=sql, env=client_env(settings), capture_output=True, text=True, timeout=WITHIN_S
        )
    except subprocess.TimeoutExpired:
        raise Problem(f"PostgreSQL has not answered {role} within {WITHIN_S} s", "see `cluster status`") from None
    if done.returncode:
        raise explain(settings, role, done.stderr)
    return done.stdout.strip()


def check_superuser(settings: Settings, node: str) -> None:
    """Complains if a node's PostgreSQL runs and does not let Patroni in, which then never has a leader."""
    command = arguments(settings, "postgres", "postgres")
    command[command.index("-h") + 1] = settings.address(node)
    command[command.index("-p") + 1] = str(settings.ports["postgres"])
    done = subprocess.run([*command, "-c", ""], env=client_env(settings), capture_output=True, text=True, check=False)
    if "password authentication failed" in done.stderr:
        raise explain(settings, "postgres", done.stderr)


def run_file(
    settings: Settings, role: str, file: Path, database: str = DATABASE, variables: dict[str, str] | None = None
) -> str:
    """Runs a file of statements, in which `:'name'` is a variable."""
    set_all = "".join(f"\\set {name} '{value}'\n" for name, value in (variables or {}).items())
    try:
        text = file.read_text()
    except OSError as error:
        raise Problem(f"{file} cannot be read: {error.strerror}", "is the checkout complete?") from None
    return run(settings, role, set_all + text, database)


def explain(settings: Settings, role: str, error: str) -> Problem:
    """What psql says, with what to do about it."""
    text = error.strip()
    if "password authentication failed" in text or "no password supplied" in text:
        remedy = (
            f"the database has another one than {settings.path}/passwords.json: write the right one there, "
            "or start anew: `cluster down --wipe`"
        )
        return Problem(f"PostgreSQL does not accept the password of {role}", remedy)
    if "is not available" in text and "extension" in text:
        return Problem(text, "install PostgreSQL's extensions: apt-get install postgresql-15 (or postgresql-contrib)")
    if "Connection refused" in text or "server closed the connection" in text:
        return Problem(
            f"no PostgreSQL behind port {settings.ports['write']}: {text}", "has the cluster a leader? `cluster status`"
        )
    return Problem(f"psql as {role}: {text}")
