"""Runs SQL with psql through HAProxy's write port. Statements go to standard input, so that `ps` does not show them."""

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
        raise Problem(f"PostgreSQL did not respond to {role} within {WITHIN_S} s", "see `cluster status`") from None
    if done.returncode:
        raise explain(settings, role, done.stderr)
    return done.stdout.strip()


def check_superuser(settings: Settings, node: str) -> None:
    """Fails if a node's PostgreSQL refuses Patroni's password: the cluster would never get a leader."""
    command = arguments(settings, "postgres", "postgres")
    command[command.index("-h") + 1] = settings.address(node)
    command[command.index("-p") + 1] = str(settings.ports["postgres"])
    done = subprocess.run([*command, "-c", ""], env=client_env(settings), capture_output=True, text=True, check=False)
    if "password authentication failed" in done.stderr:
        raise explain(settings, "postgres", done.stderr)


def run_file(
    settings: Settings, role: str, file: Path, database: str = DATABASE, variables: dict[str, str] | None = None
) -> str:
    """Runs a file of statements. `:'name'` is a variable."""
    set_all = "".join(f"\\set {name} '{value}'\n" for name, value in (variables or {}).items())
    try:
        text = file.read_text()
    except OSError as error:
        raise Problem(f"cannot read {file}: {error.strerror}", "check that the checkout is complete") from None
    return run(settings, role, set_all + text, database)


def explain(settings: Settings, role: str, error: str) -> Problem:
    """psql's error with a remedy."""
    text = error.strip()
    if "password authentication failed" in text or "no password supplied" in text:
        remedy = (
            f"{settings.path}/passwords.json has another password than the database: correct it there, "
            "or start from scratch with `cluster down --wipe`"
        )
        return Problem(f"PostgreSQL does not accept the password of {role}", remedy)
    if "is not available" in text and "extension" in text:
        return Problem(text, "install PostgreSQL's extensions: apt-get install postgresql-15 (or postgresql-contrib)")
    if "Connection refused" in text or "server closed the connection" in text:
        return Problem(
            f"no PostgreSQL behind port {settings.ports['write']}: {text}", "see `cluster status` for the leader"
        )
    return Problem(f"psql as {role}: {text}")
