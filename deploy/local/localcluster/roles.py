"""Passwords and roles.

Passwords are sent to PostgreSQL as SCRAM verifiers, so that no log and no pg_stat_statements contains a password.
"""

import base64
import hashlib
import hmac
import json
import secrets

from . import psql
from .problem import Problem
from .settings import DEPLOY, Settings, write_file

# Patroni creates the first three itself.
ROLES = ("postgres", "replicator", "rewinder", "dba", "kinoteka_app", "pmm")
OURS = ROLES[3:]
ITERATIONS = 4096


def make_passwords(settings: Settings) -> None:
    """Creates missing passwords, and the password file of libpq."""
    file = settings.path / "passwords.json"
    try:
        passwords = json.loads(file.read_text())
    except FileNotFoundError:
        if settings.marker.exists():
            raise Problem(
                f"{file} is missing, but the data that needs it exists",
                "restore the file, or delete the data with `cluster down --wipe`",
            ) from None
        passwords = {}
    for role in ROLES:
        passwords.setdefault(role, secrets.token_urlsafe(18))
    write_file(file, json.dumps(passwords, indent=2) + "\n", 0o600)
    lines = [f"*:*:*:{role}:{password}\n" for role, password in passwords.items()]
    write_file(settings.pgpass, "".join(lines), 0o600)


def verifier(password: str, salt: bytes | None = None) -> str:
    """The form in which PostgreSQL stores a password: RFC 5803, as `scram_build_secret` writes it.

    Only ASCII: other passwords would need normalisation (SASLprep) first.
    """
    if not password.isascii() or not password.isprintable() or not password:
        raise Problem("a password must be printable ASCII", "change it in passwords.json")
    salt = salt or secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ITERATIONS)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    stored_key = hashlib.sha256(client_key).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    salt64, stored64, server64 = (base64.b64encode(part).decode() for part in (salt, stored_key, server_key))
    return f"SCRAM-SHA-256${ITERATIONS}:{salt64}${stored64}:{server64}"


def make_roles(settings: Settings, passwords: dict[str, str]) -> None:
    """Creates `dba`, `kinoteka_app` and `pmm`, or resets their passwords."""
    variables = {f"{role}_verifier": verifier(passwords[role]) for role in OURS}
    psql.run_file(settings, "postgres", DEPLOY / "sql" / "roles.sql", database="postgres", variables=variables)


def grant(settings: Settings) -> None:
    """Grants the roles their rights, as the owner of the tables."""
    psql.run_file(settings, "dba", DEPLOY / "sql" / "grants.sql")


def check_passwords(settings: Settings) -> None:
    """Logs in as each role, so that a wrong password is reported here and not only in a log."""
    for role in ROLES:
        psql.run(settings, role, "SELECT 1", database="postgres")
