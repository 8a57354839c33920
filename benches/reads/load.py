"""One measurement: wrk against a server, or pgbench against the database, with the processor time."""

import json
import os
import re
import resource
import subprocess
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from processes import Failure

HERE = Path(__file__).parent

# Sizes of responses vary. A mean far from that of the checked responses indicates errors, which are
# short.
BYTES_TOLERANCE = 0.15


# The maximum number of pgbench's clients: the size of our server's pool.
CLIENTS_MAX = 8


@dataclass
class Target:
    """A server with the requests that it gets."""

    name: str
    program: object
    tools: dict
    postgres: object
    port: int
    path: str = "/graphql"
    # Our server counts the errors in its responses.
    counts_errors: bool = False
    # By query: the bodies of the requests, the file that contains them, the mean size of the checked responses.
    bodies: dict = field(default_factory=dict)
    requests: dict = field(default_factory=dict)
    bytes_expected: dict = field(default_factory=dict)

    def measure(self, query, connections, seconds):
        """wrk's requests per second, the latency, and the processor time per request by process in microseconds."""
        command = [self.tools["wrk"], f"--threads={min(2, connections)}", f"--connections={connections}",
                   f"--duration={seconds}s", "--timeout=30s", "--latency", f"--script={HERE / 'load.lua'}",
                   f"http://127.0.0.1:{self.port}{self.path.format(query=query)}"]
        environment = {**os.environ, "REQUESTS": str(self.requests[query])}
        self.program.forget_peak()
        errors = self.errors()
        output, cpu = spend({"server": self.program, "postgres": self.postgres.program}, command, environment)
        peak = self.program.peak_bytes()
        found = re.search(r"^RESULT (.*)$", output, re.MULTILINE)
        if not found:
            raise Failure(f"wrk printed no result:\n{output}")
        result = json.loads(found.group(1))
        requests = result["requests"]
        failed = result["errors"] + self.errors() - errors
        if failed or not requests:
            raise Failure(f"{self.name}, ({query}), {connections} connections: {failed:.0f} of {requests} requests failed")
        bytes_each, expected = result["bytes"] / requests, self.bytes_expected[query]
        if requests > 200 and abs(bytes_each - expected) > BYTES_TOLERANCE * expected:
            raise Failure(f"{self.name}, ({query}): a response had {bytes_each:.0f} bytes on average, but {expected:.0f} when it was checked")
        return {
            "requests_per_second": requests / result["microseconds"] * 1e6,
            "p50_ms": result["p50_us"] / 1e3,
            "p99_ms": result["p99_us"] / 1e3,
            "bytes": bytes_each,
            "cpu_us": {name: used / requests * 1e6 for name, used in cpu.items()},
            "peak_bytes": peak,
        }

    def errors(self):
        """The number of errors in all responses since the start, if the server counts them."""
        if not self.counts_errors:
            return 0
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            return sum(map(float, re.findall(r"^kinoteka_errors_total\S* (\S+)$", answer.read().decode(), re.MULTILINE)))


@dataclass
class Floor:
    """The database with scripts of statements, for pgbench."""

    name: str
    tools: dict
    postgres: object
    database: str
    # By query: the scripts, and the values of their variables.
    bodies: dict
    path: str = ""

    def measure(self, query, connections, seconds):
        """Runs per second of randomly chosen scripts, with prepared statements."""
        scripts, variables = self.bodies[query]
        clients = min(connections, CLIENTS_MAX)
        command = [self.tools["pgbench"], "--no-vacuum", "--protocol=prepared", f"--client={clients}", f"--jobs={min(2, clients)}",
                   f"--time={seconds}", *[f"--define={name}={value}" for name, value in variables.items()],
                   *[f"--file={script}" for script in scripts]]
        output, cpu = spend({"postgres": self.postgres.program}, command, self.postgres.environment(self.database))
        number = lambda pattern: float(re.search(pattern, output, re.MULTILINE).group(1))
        transactions = number(r"^number of transactions actually processed: (\d+)")
        if number(r"^number of failed transactions: (\d+)"):
            raise Failure(f"transactions of pgbench failed:\n{output}")
        return {
            "requests_per_second": number(r"^tps = ([\d.]+)"),
            "mean_ms": number(r"^latency average = ([\d.]+)"),
            "cpu_us": {name: used / transactions * 1e6 for name, used in cpu.items()},
        }


def spend(programs, command, environment):
    """Runs a load. Returns its output, and the processor time of the load and of `programs` in seconds."""
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
