"""What has to be on the machine: Debian's packages, which are only named, and Patroni, which is installed."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

from . import monitoring
from .problem import Problem
from .settings import ROOT

PATRONI = "4.1.5"
VENV = ROOT / "target" / "tools" / f"patroni-{PATRONI}"
PACKAGES = ("patroni[etcd3]==" + PATRONI, "psycopg[binary]==3.3.9")
# What has to be in the PATH of any user, and Debian's package that has it.
PROGRAMS = {"etcd": "etcd-server", "haproxy": "haproxy"}
SEARCHED = "/usr/local/bin:/usr/bin:/bin:/usr/sbin"


def check_programs(postgres_bin_dir: str, with_monitoring: bool = False) -> None:
    """Names the packages that are missing."""
    programs = PROGRAMS | (monitoring.PACKAGES if with_monitoring else {})
    missing = [package for name, package in programs.items() if not shutil.which(name, path=SEARCHED)]
    needed = ("postgres", "initdb", "pg_basebackup", "pg_rewind", "psql")
    if any(not os.access(Path(postgres_bin_dir) / name, os.X_OK) for name in needed):
        missing.append("postgresql-15")
    if missing:
        raise Problem(
            f"missing: {', '.join(missing)}",
            f"apt-get install {' '.join(missing)}; `scripts/test-cluster --install` does it. "
            "--postgres-bin-dir names a PostgreSQL that is elsewhere",
        )


def make_venv() -> str:
    """Makes a virtual environment with Patroni once, and returns its Python."""
    python = VENV / "bin" / "python3"
    if (VENV / "complete").exists():
        return str(python)
    VENV.parent.mkdir(parents=True, exist_ok=True)
    with open(VENV.parent / f".{VENV.name}.lock", "a") as lock:
        # Another `up` may be at it.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (VENV / "complete").exists():
            return str(python)
        # Debian's: one in somebody's home would be of no use to another user.
        _run(["/usr/bin/python3", "-m", "venv", "--clear", str(VENV)], "apt-get install python3-venv")
        pip = [str(VENV / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", *PACKAGES]
        _run(pip, "is a package registry within reach?")
        (VENV / "complete").touch()
    return str(python)


def _run(command: list[str], remedy: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        raise Problem(f"{command[0]}: {error.strerror}", "apt-get install python3 python3-venv") from None
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise Problem(f"{' '.join(command[:4])} ...: {' '.join(last)}", remedy)


def find_binaries(given: str | None) -> str:
    """The folder with the server and the seeder: the one given, or the newer of the two that cargo fills."""
    names = ("kinoteka", "seeder")
    if given:
        folders = [Path(given).resolve()]
    else:
        folders = [ROOT / "target" / "release", ROOT / "target" / "debug"]
    complete = [folder for folder in folders if all(os.access(folder / name, os.X_OK) for name in names)]
    if not complete:
        where = " and ".join(str(folder) for folder in folders)
        lacks = [name for name in names if not any((folder / name).exists() for folder in folders)]
        raise Problem(
            f"{' and '.join(lacks or names)} not found in {where}",
            "cargo build --workspace --bins; --bin-dir names another folder",
        )
    return str(max(complete, key=lambda folder: (folder / "kinoteka").stat().st_mtime))
