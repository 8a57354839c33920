"""The checks of `up` before it starts anything."""

import contextlib
import errno
import os
import socket
from pathlib import Path

from . import processes, psql
from .problem import Problem
from .settings import DATABASE, STATE_LENGTH_MAX, Settings


def check_state_path(state: Path) -> None:
    """Socket paths below the state directory must be valid."""
    if len(os.fsencode(state)) > STATE_LENGTH_MAX:
        raise Problem(
            f"{state} is too long: the paths of sockets in it would exceed the system's limit",
            f"use a --state of at most {STATE_LENGTH_MAX} characters",
        )
    if set(str(state)) & set(" \t\n'\"\\#:,"):
        raise Problem(
            f"{state} contains characters that are not allowed in configuration files",
            "use a --state without spaces, quotes, #, :, commas or backslashes",
        )


def check_ports(settings: Settings) -> None:
    """Lists every address that is in use."""
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
            f"{'a port is' if len(taken) == 1 else 'ports are'} in use: {'; '.join(taken)}",
            "stop these programs, or use --subnet 127.0.7 (other addresses) or --port NAME=PORT (another port)",
        )


def _holder(address: str, port: int) -> str:
    """The process that listens at an address, if this user may see it. The same port of other addresses does not count."""
    number = f"{int.from_bytes(socket.inet_aton(address), 'little'):08X}"
    # This address, all of IPv4, this address as an IPv4-mapped IPv6 address, and all of IPv6.
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
    """The schema needs pg_trgm. The write-up's monitoring needs pg_stat_statements."""
    missing = psql.run(
        settings,
        "postgres",
        "SELECT string_agg(needed, ', ') FROM unnest(ARRAY['pg_trgm', 'pg_stat_statements']) AS needed "
        "WHERE needed NOT IN (SELECT name FROM pg_available_extensions)",
        "postgres",
    )
    if missing:
        raise Problem(
            f"this PostgreSQL lacks {missing}, which the database {DATABASE} needs",
            "install postgresql-15 on Debian, postgresql-contrib elsewhere",
        )
