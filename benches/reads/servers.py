"""The servers that are measured, and how each is started at its best."""

import os
import time
from pathlib import Path

from client import Client
from load import Target
from processes import Failure, Program, free_port
from tools import PEERS

# What was found best among those tried; docs/benchmarks.md has the others.
PEER_SETTINGS = {
    "postgraphile": {"PEER_WORKERS": "1", "PEER_CONNECTIONS": "10"},
    "mercurius": {"PEER_WORKERS": "1", "PEER_CONNECTIONS": "10"},
}


class Servers:
    """Starts servers on a database, and stops all of them."""

    def __init__(self, folder, tools, kinoteka, bare):
        self.folder, self.tools, self.kinoteka, self.bare = Path(folder), tools, kinoteka, bare
        self.running = []

    def stop(self):
        while self.running:
            self.running.pop().stop()

    def start(self, name, command, environment, ready):
        number = len(self.running)
        program = Program(name, command, self.folder / f"{name}-{number}.log", environment)
        self.running.append(program)
        return program, program.wait_for(ready)

    def ours(self, url, name="ours"):
        """The server with its defaults. As for the peers, requests are not logged.

        Settings may be tried by the environment's KINOTEKA_ variables.
        """
        command = [self.kinoteka, "serve", "--database-url", url, "--listen", "127.0.0.1:0", "--production",
                   "--log-filter", "warn,kinoteka=info,kinoteka::telemetry=warn"]
        program, port = self.start(name, command, dict(os.environ), r"serving at http://127\.0\.0\.1:(\d+)/graphql")
        return Target(name, program, int(port))

    def bare_route(self, answers):
        """Routes that send these answers: bytes by name."""
        folder = self.folder / "answers"
        folder.mkdir()
        for name, answer in answers.items():
            (folder / name).write_bytes(answer)
        program, port = self.start("bare route", [self.bare, *sorted(folder.iterdir())], dict(os.environ), r"listening on .*:(\d+)")
        return Target("bare route", program, int(port), path="/{query}")

    def peer(self, name, url):
        port = free_port()
        settings = {**PEER_SETTINGS[name], **{key: value for key, value in os.environ.items() if key.startswith("PEER_")}}
        environment = {"PATH": os.environ["PATH"], "NODE_ENV": "production", "GRAPHILE_ENV": "production",
                       "PEER_DATABASE": url, "PEER_PORT": str(port), **settings}
        program, _ = self.start(name, [self.tools["node"], PEERS / f"{name}.mjs"], environment, "listening on")
        target = Target(name, program, port)
        # PostGraphile listens before it knows its schema.
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
