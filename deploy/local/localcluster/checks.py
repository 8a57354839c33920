"""What `up` looks at before it starts anything."""

import contextlib
import errno
import os
import socket
from pathlib import Path

from . import processes, psql
from .problem import Problem
from .settings import DATABASE, STATE_LENGTH_MAX, Settings


def check_state_path(state: Path) -> None:
    """Sockets below it have to have names that the system takes."""
    if len(os.fsencode(state)) > STATE_LENGTH_MAX:
        raise Problem(
            f"{state} is too long: sockets in it would have names beyond the system's limit",
            f"--state with at most {STATE_LENGTH_MAX} characters",
        )
    if set(str(state)) & set(" \t\n'\"\\#:,"):
        raise Problem(f"{state} has characters that configuration files would misread", "--state with a plain path")


def check_ports(settings: Settings) -> None:
    """Names every address that something else listens at."""
    taken = []
    for address, port, name in settings.sockets():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    taken.append(f"{address}:{port} ({name}) by {_holder(address, port)}")
                    continue
                raise Problem(
                    f"{address}:{port} cannot be used for {name}: {error.strerror}",
                    f"--port {name.split()[0]}=PORT or --subnet 127.x.y",
                ) from None
    if taken:
        raise Problem(
            f"{'a port is' if len(taken) == 1 else 'ports are'} taken: {'; '.join(taken)}",
            "stop what listens there, or use others: --subnet 127.0.7 moves all addresses, --port NAME=PORT one port",
        )


def _holder(address: str, port: int) -> str:
    """Who listens at an address, as far as this user may see it. Another may listen at this port of another address."""
    number = f"{int.from_bytes(socket.inet_aton(address), 'little'):08X}"
    # Of all addresses, of IPv4's within IPv6, and of both.
    hosts = {number, "0" * 8, f"0000000000000000FFFF0000{number}", "0" * 32}
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                host, _, at = fields[1].rpartition(":")
                if fields[3] == "0A" and host in hosts and int(at, 16) == port:
                    inodes.add(f"socket:[{fields[9]}]")
    for pid in processes.all_pids():
        with contextlib.suppress(OSError):
            for file in os.scandir(f"/proc/{pid}/fd"):
                if os.readlink(file.path) in inodes:
                    state = processes.marked_state(pid)
                    command = Path(f"/proc/{pid}/comm").read_text().strip()
                    return f"{command} of the cluster in {state}" if state else f"process {pid} ({command})"
    return "a process of another user"


def check_extensions(settings: Settings) -> None:
    """The schema needs pg_trgm, and what the write-up watches pg_stat_statements."""
    missing = psql.run(
        settings,
        "postgres",
        "SELECT string_agg(needed, ', ') FROM unnest(ARRAY['pg_trgm', 'pg_stat_statements']) AS needed "
        "WHERE needed NOT IN (SELECT name FROM pg_available_extensions)",
        "postgres",
    )
    if missing:
        raise Problem(
            f"this PostgreSQL lacks {missing}, without which {DATABASE} cannot be made",
            "Debian has them in postgresql-15, others in postgresql-contrib",
        )
