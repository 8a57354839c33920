"""The prerequisites: Debian packages, which are only checked, and Patroni, which is installed."""

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
# Programs that must be in every user's PATH, and their Debian packages.
PROGRAMS = {"etcd": "etcd-server", "haproxy": "haproxy"}
SEARCHED = "/usr/local/bin:/usr/bin:/bin:/usr/sbin"


def check_programs(postgres_bin_dir: str, with_monitoring: bool = False) -> None:
    """Lists the missing packages."""
    programs = PROGRAMS | (monitoring.PACKAGES if with_monitoring else {})
    missing = [package for name, package in programs.items() if not shutil.which(name, path=SEARCHED)]
    needed = ("postgres", "initdb", "pg_basebackup", "pg_rewind", "psql")
    if any(not os.access(Path(postgres_bin_dir) / name, os.X_OK) for name in needed):
        missing.append("postgresql-15")
    if missing:
        raise Problem(
            f"missing packages: {', '.join(missing)}",
            f"run apt-get install {' '.join(missing)}, or `scripts/test-cluster --install`. "
            "--postgres-bin-dir selects another PostgreSQL",
        )


def make_venv() -> str:
    """Creates the virtual environment with Patroni if it is missing, and returns its Python."""
    python = VENV / "bin" / "python3"
    if (VENV / "complete").exists():
        return str(python)
    VENV.parent.mkdir(parents=True, exist_ok=True)
    with open(VENV.parent / f".{VENV.name}.lock", "a") as lock:
        # Another `up` may be creating it.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (VENV / "complete").exists():
            return str(python)
        # Debian's Python: other users could not read one in a home directory.
        _run(["/usr/bin/python3", "-m", "venv", "--clear", str(VENV)], "run apt-get install python3-venv")
        pip = [str(VENV / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", *PACKAGES]
        _run(pip, "check that a package registry is reachable")
        (VENV / "complete").touch()
    return str(python)


def _run(command: list[str], remedy: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        raise Problem(f"{command[0]}: {error.strerror}", "run apt-get install python3 python3-venv") from None
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise Problem(f"{' '.join(command[:4])} ...: {' '.join(last)}", remedy)


def find_binaries(given: str | None) -> str:
    """The folder of the server and the seeder: the given one, or the newer of cargo's two."""
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
            "run cargo build --workspace --bins, or use --bin-dir with another folder",
        )
    return str(max(complete, key=lambda folder: (folder / "kinoteka").stat().st_mtime))
