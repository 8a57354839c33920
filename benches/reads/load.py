"""One measurement: wrk on a server, or pgbench on the database, and what the machine spent on it."""

import json
import os
import re
import resource
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from processes import Failure

HERE = Path(__file__).parent

# An answer's size may differ from request to request; a mean that is far from the checked answers'
# tells of errors, which are short.
BYTES_TOLERANCE = 0.15


@dataclass
class Target:
    """A server with the requests that it gets."""

    name: str
    program: object
    port: int = 0
    path: str = "/graphql"
    # By query: the file with the bodies, and the mean size of the checked answers.
    requests: dict = field(default_factory=dict)
    bytes_expected: dict = field(default_factory=dict)


def by_wrk(tools, postgres, target, query, connections, seconds):
    """Requests a second, latency, and microseconds of processor time a request by process."""
    command = [tools["wrk"], f"--threads={min(2, connections)}", f"--connections={connections}",
               f"--duration={seconds}s", "--timeout=30s", "--latency", f"--script={HERE / 'load.lua'}",
               f"http://127.0.0.1:{target.port}{target.path.format(query=query)}"]
    environment = {**os.environ, "REQUESTS": str(target.requests[query])}
    target.program.forget_peak()
    output, cpu = spend({"server": target.program, "postgres": postgres.program}, command, environment)
    found = re.search(r"^RESULT (.*)$", output, re.MULTILINE)
    if not found:
        raise Failure(f"wrk gave no result:\n{output}")
    result = json.loads(found.group(1))
    requests = result["requests"]
    if result["errors"] or not requests:
        raise Failure(f"{target.name}, query {query}, {connections} connections: {result['errors']} of {requests} requests failed")
    bytes_each = result["bytes"] / requests
    expected = target.bytes_expected[query]
    if requests > 200 and abs(bytes_each - expected) > BYTES_TOLERANCE * expected:
        raise Failure(f"{target.name}, query {query}: an answer had {bytes_each:.0f} bytes, {expected:.0f} when it was checked")
    return {
        "requests_per_second": requests / result["microseconds"] * 1e6,
        "p50_ms": result["p50_us"] / 1e3,
        "p99_ms": result["p99_us"] / 1e3,
        "bytes": bytes_each,
        "cpu_us": {name: used / requests * 1e6 for name, used in cpu.items()},
        "peak_bytes": target.program.peak_bytes(),
    }


def by_pgbench(tools, postgres, database, scripts, variables, clients, seconds):
    """Transactions a second of scripts chosen at random, through prepared statements."""
    command = [tools["pgbench"], "--no-vacuum", "--protocol=prepared", f"--client={clients}", f"--jobs={min(2, clients)}",
               f"--time={seconds}", *[f"--define={name}={value}" for name, value in variables.items()],
               *[f"--file={script}" for script in scripts]]
    output, cpu = spend({"postgres": postgres.program}, command, postgres.environment(database))
    number = lambda pattern: float(re.search(pattern, output, re.MULTILINE).group(1))
    transactions = number(r"^number of transactions actually processed: (\d+)")
    if number(r"^number of failed transactions: (\d+)"):
        raise Failure(f"pgbench had failed transactions:\n{output}")
    return {
        "requests_per_second": number(r"^tps = ([\d.]+)"),
        "mean_ms": number(r"^latency average = ([\d.]+)"),
        "cpu_us": {name: used / transactions * 1e6 for name, used in cpu.items()},
    }


def spend(programs, command, environment):
    """Runs a load to its end: its output, and the processor seconds of it and of `programs`."""
    before = {name: program.cpu_seconds() for name, program in programs.items()}
    own = children_seconds()
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)[:2000]} failed:\n{done.stdout}{done.stderr}")
    spent = {name: program.cpu_seconds() - before[name] for name, program in programs.items()}
    return done.stdout + done.stderr, {**spent, "load": children_seconds() - own}


def children_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
