"""Finds the programs that the benchmark needs, and installs missing ones."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

from processes import Failure

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PEERS_FOLDER = HERE / "peers"


def find(peers):
    """The path of each program by its name. Installs Debian packages and the peers' npm packages."""
    tools = locate()
    packages = set()
    if "wrk" not in tools:
        packages.add("wrk")
    if not {"initdb", "postgres", "psql", "pgbench", "pg_isready"} <= tools.keys():
        packages.add("postgresql-15")
    if peers and "npm" not in tools:
        packages |= {"nodejs", "npm"}
    if packages:
        install(sorted(packages))
        tools = locate()
    if peers:
        tools["node"] = install_peers(tools["npm"])
    return tools


def locate():
    folders = [os.environ["PATH"]]
    folders += sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    if own := os.environ.get("KINOTEKA_PG_BIN"):
        folders.insert(0, own)
    path = os.pathsep.join(folders)
    names = ["wrk", "initdb", "postgres", "psql", "pgbench", "pg_isready", "npm"]
    return {name: found for name in names if (found := shutil.which(name, path=path))}


def install(packages):
    if not shutil.which("apt-get"):
        raise Failure(f"missing packages, and apt-get is not available: {' '.join(packages)}")
    root = [] if os.getuid() == 0 else ["sudo"]
    # Otherwise the package would start its own server.
    prevent = "mkdir -p /etc/postgresql-common; cd /etc/postgresql-common; " \
        "[ -e createcluster.conf ] || echo 'create_main_cluster = false' > createcluster.conf"
    for command in [
        ["sh", "-c", prevent],
        ["apt-get", "update", "-qq"],
        ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages],
    ]:
        run(root + command)


def install_peers(npm):
    """Installs the locked versions of the peers with their Node.js, and returns its path."""
    lock, done = PEERS_FOLDER / "package-lock.json", PEERS_FOLDER / "node_modules" / ".package-lock.json"
    if not done.exists() or done.stat().st_mtime < lock.stat().st_mtime:
        run([npm, "ci", "--prefix", str(PEERS_FOLDER), "--silent", "--no-audit", "--no-fund"])
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine())
    node = PEERS_FOLDER / "node_modules" / f"node-linux-{machine}" / "bin" / "node"
    if not node.exists():
        raise Failure(f"npm has no Node.js 22 for this machine ({platform.machine()}): use --no-peers")
    return str(node)


def build():
    """Builds the server and the bare route in release mode. KINOTEKA_BIN names a built server instead."""
    target = ROOT / "target" / "release"
    if given := os.environ.get("KINOTEKA_BIN"):
        server = Path(given).resolve()
        if not os.access(server, os.X_OK):
            raise Failure(f"KINOTEKA_BIN={given} is not an executable file")
        bare = server.parent / "bare-route"
        if not bare.exists():
            bare = target / "bare-route"
            run(["cargo", "build", "--release", "--locked", "--quiet", "--package", "kinoteka-bare-route"], cwd=ROOT)
        return server, bare
    run(["cargo", "build", "--release", "--workspace", "--locked", "--quiet"], cwd=ROOT)
    return target / "kinoteka", target / "bare-route"


def run(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout
