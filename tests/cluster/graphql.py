"""A test's own server and its clients: single requests, comments as events, a writer of comments."""

import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from .support import wait_for

WITHIN_S = 60
MARK = "backup "
# The id and text of each comment.
Comments = list[tuple[str, str]]
Server = subprocess.Popen[bytes]
LOG_IN = "mutation($input: LogInInput!) { logIn(input: $input) { token } }"
ADD = "mutation($input: AddCommentInput!) { addComment(input: $input) { comment { id } errors { message } } }"
TEXT = "query($id: ID!) { node(id: $id) { ... on Comment { text } } }"
ADDED = "subscription($after: String) { commentAdded(after: $after) { cursor comment { text } } }"


class Refused(Exception):
    """The code of an error."""


@dataclass
class Client:
    """A signed-in client of a server. `address` is host and port."""

    address: str
    token: str = ""

    def log_in(self) -> None:
        """Signs in as the seeded member."""
        given = {"input": {"login": "member", "password": "kinoteka-demo"}}
        self.token = self.ask(LOG_IN, given)["logIn"]["token"]

    def ask(self, query: str, variables: dict[str, Any] | None = None) -> Any:
        """The data of a response without errors."""
        with urlopen(self._request(query, variables, "application/json"), timeout=WITHIN_S) as response:
            return read(response.read())

    def add_comment(self, movie: str, text: str) -> str:
        """The id of a comment, once it is acknowledged."""
        added = self.ask(ADD, {"input": {"subjectId": movie, "text": text}})["addComment"]
        assert not added["errors"], added
        return added["comment"]["id"]

    def text(self, comment: str) -> str | None:
        """The text of a comment, or None if no comment has this id."""
        return (self.ask(TEXT, {"id": comment})["node"] or {}).get("text")

    def added(self, after: str) -> Iterator[tuple[str, str]]:
        """Cursor and text of each comment after a cursor, as a listener receives them.

        Raises `Refused` if the stream ends with an error.
        """
        with urlopen(self._request(ADDED, {"after": after}, "text/event-stream"), timeout=WITHIN_S) as stream:
            for line in stream:
                if line.startswith(b"data:") and line[5:].strip():
                    event = read(line[5:])["commentAdded"]
                    yield event["cursor"], (event["comment"] or {}).get("text", "")

    def _request(self, query: str, variables: dict[str, Any] | None, accept: str) -> Request:
        headers = {"content-type": "application/json", "accept": accept}
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        body = json.dumps({"query": query, "variables": variables or {}}).encode()
        return Request(f"http://{self.address}/graphql", body, headers)


def read(body: bytes) -> Any:
    """The data of a result."""
    result = json.loads(body)
    if errors := result.get("errors"):
        raise Refused(errors[0]["extensions"]["code"])
    return result["data"]



class Writer:
    """Adds comments, one after another, in a thread."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.movie = client.ask("{ movies(first: 1) { nodes { id } } }")["movies"]["nodes"][0]["id"]
        # The acknowledged comments.
        self.added: Comments = []
        self.numbers = count()
        self.failure: BaseException | None = None

    def add(self) -> None:
        text = f"{MARK}{next(self.numbers)}"
        self.added.append((self.client.add_comment(self.movie, text), text))

    def __enter__(self) -> None:
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        enough = len(self.added) + 20
        wait_for("comments", lambda: self.failure or len(self.added) > enough)

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        self.thread.join(WITHIN_S)
        if self.failure:
            raise self.failure

    def _run(self) -> None:
        try:
            while not self.ending.is_set():
                self.add()
        except BaseException as error:
            self.failure = error


def serve(program: str, database_url: str, address: str, log: Path, identity: dict[str, Any]) -> Server:
    """Starts a server as a user (`identity` is for `Popen`) and waits until it is ready. The caller stops it."""
    env = {"PATH": os.environ["PATH"], "DATABASE_URL": database_url, "KINOTEKA_LISTEN": address}
    env["KINOTEKA_MUTATIONS_PER_USER"] = "1000000"
    with log.open("wb") as output:
        server = subprocess.Popen([program, "serve"], env=env, cwd=log.parent, stdout=output, stderr=output, **identity)
    deadline = time.monotonic() + WITHIN_S
    while True:
        try:
            with urlopen(f"http://{address}/readyz", timeout=5):
                return server
        except OSError:
            if server.poll() is not None or time.monotonic() > deadline:
                server.kill()
                server.wait()
                raise AssertionError(f"the server is not ready: {log.read_text()}") from None
            time.sleep(0.2)
