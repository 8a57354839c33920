"""The measured servers, each started with its best settings."""

import os
import tempfile
import time
from pathlib import Path

from client import Client
from load import Target
from processes import Failure, Program, free_port
from tools import PEERS_FOLDER

# The settings of the peers. The first of each, the defaults, was the best and is used for the comparison.
# `scripts/bench --peer-settings` measures all. peers/*.mjs explain them.
PEERS = {
    "postgraphile": {
        "as measured": {},
        "two processes": {"PEER_WORKERS": "2"},
        "4 database connections": {"PEER_CONNECTIONS": "4"},
        "32 database connections": {"PEER_CONNECTIONS": "32"},
        "statements not prepared": {"DATAPLAN_PG_PREPARED_STATEMENT_CACHE_SIZE": "0"},
    },
    "mercurius": {
        "as measured": {},
        "two processes": {"PEER_WORKERS": "2"},
        "4 database connections": {"PEER_CONNECTIONS": "4"},
        "32 database connections": {"PEER_CONNECTIONS": "32"},
        "without JIT": {"PEER_JIT": "0"},
        "one statement per table": {"PEER_STYLE": "lookups"},
        "driver postgres": {"PEER_DRIVER": "postgres"},
    },
}


# All requests come from one address, so its limits are those of the server. As environment variables, because older
# builds do not have the flags.
LIMITS = {
    "KINOTEKA_LIMIT_CONNECTIONS_PER_CLIENT": "20000",
    "KINOTEKA_LIMIT_REQUESTS_PER_CLIENT": "512",
    "KINOTEKA_LIMIT_BODIES_BYTES_PER_CLIENT": str(64 << 20),
    "KINOTEKA_LIMIT_UNSENT_BYTES_PER_CLIENT": str(512 << 20),
}


class Servers:
    """Starts servers on a database and stops them."""

    def __init__(self, folder, tools, kinoteka, bare, postgres):
        self.folder, self.tools, self.kinoteka, self.bare, self.postgres = Path(folder), tools, kinoteka, bare, postgres
        self.running = []

    def stop(self):
        while self.running:
            self.running.pop().stop()

    def start(self, name, command, environment, ready):
        handle, log = tempfile.mkstemp(prefix=f"{name}-", suffix=".log", dir=self.folder)
        os.close(handle)
        program = Program(name, command, log, environment)
        self.running.append(program)
        return program, program.wait_for(ready)

    def ours(self, url, name="ours"):
        """Our server with its defaults, except the limits per address. As with the peers, requests are not logged.

        KINOTEKA_ variables of the environment change its settings.
        """
        command = [self.kinoteka, "serve", "--database-url", url, "--listen", "127.0.0.1:0", "--production",
                   "--log-filter", "warn,kinoteka=info,kinoteka::telemetry=warn"]
        program, port = self.start(name, command, {**LIMITS, **os.environ}, r"serving at http://127\.0\.0\.1:(\d+)/graphql")
        return Target(name, program, self.tools, self.postgres, int(port), counts_errors=True)

    def bare_route(self, answers):
        """A server with routes that send these responses (bytes by name)."""
        folder = self.folder / "answers"
        folder.mkdir()
        for name, answer in answers.items():
            (folder / name).write_bytes(answer)
        program, port = self.start("bare route", [self.bare, *sorted(folder.iterdir())], dict(os.environ), r"listening on .*:(\d+)")
        return Target("bare route", program, self.tools, self.postgres, int(port), path="/{query}")

    def peer(self, name, url, title, settings):
        port = free_port()
        changed = {key: value for key, value in os.environ.items() if key.startswith("PEER_")}
        environment = {"PATH": os.environ["PATH"], "NODE_ENV": "production", "GRAPHILE_ENV": "production",
                       "PEER_DATABASE": url, "PEER_PORT": str(port), **changed, **settings}
        program, _ = self.start(title, [self.tools["node"], PEERS_FOLDER / f"{name}.mjs"], environment, "listening on")
        target = Target(title, program, self.tools, self.postgres, port)
        # PostGraphile listens before it has loaded its schema.
        deadline = time.monotonic() + 60
        while True:
            client = Client(port, target.path)
            try:
                client.data("{ __typename }", {})
                return target
            except Failure:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
            finally:
                client.close()
