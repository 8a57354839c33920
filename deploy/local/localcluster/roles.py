"""Passwords and roles.

A password is sent to PostgreSQL as its SCRAM verifier, so that no log of statements and no pg_stat_statements has it.
"""

import base64
import hashlib
import hmac
import json
import secrets

from . import psql
from .problem import Problem
from .settings import DEPLOY, Settings, write_file

# Those of Patroni come first; it makes these three itself.
ROLES = ("postgres", "replicator", "rewinder", "dba", "kinoteka_app", "pmm")
OURS = ROLES[3:]
ITERATIONS = 4096


def make_passwords(settings: Settings) -> None:
    """Makes the passwords that are not there, and the file with which libpq finds them."""
    file = settings.path / "passwords.json"
    try:
        passwords = json.loads(file.read_text())
    except FileNotFoundError:
        if settings.marker.exists():
            raise Problem(
                f"{file} is gone, but the data that it opens is there",
                "bring the file back, or remove the data by `cluster down --wipe`",
            ) from None
        passwords = {}
    for role in ROLES:
        passwords.setdefault(role, secrets.token_urlsafe(18))
    write_file(file, json.dumps(passwords, indent=2) + "\n", 0o600)
    lines = [f"*:*:*:{role}:{password}\n" for role, password in passwords.items()]
    write_file(settings.pgpass, "".join(lines), 0o600)


def verifier(password: str, salt: bytes | None = None) -> str:
    """What PostgreSQL keeps of a password: RFC 5803, as its `scram_build_secret` writes it.

    ASCII alone: other passwords would have to be normalised first (SASLprep).
    """
    if not password.isascii() or not password.isprintable() or not password:
        raise Problem("a password has to be printable ASCII", "change it in passwords.json")
    salt = salt or secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ITERATIONS)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    stored_key = hashlib.sha256(client_key).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    salt64, stored64, server64 = (base64.b64encode(part).decode() for part in (salt, stored_key, server_key))
    return f"SCRAM-SHA-256${ITERATIONS}:{salt64}${stored64}:{server64}"


def make_roles(settings: Settings, passwords: dict[str, str]) -> None:
    """Makes `dba`, `kinoteka_app` and `pmm`, or gives them their passwords again."""
    variables = {f"{role}_verifier": verifier(passwords[role]) for role in OURS}
    psql.run_file(settings, "postgres", DEPLOY / "sql" / "roles.sql", database="postgres", variables=variables)


def grant(settings: Settings) -> None:
    """Gives the roles what they need, as the owner of the tables."""
    psql.run_file(settings, "dba", DEPLOY / "sql" / "grants.sql")


def check_passwords(settings: Settings) -> None:
    """Logs in as each role, so that a wrong password is found here and not in a log."""
    for role in ROLES:
        psql.run(settings, role, "SELECT 1", database="postgres")
