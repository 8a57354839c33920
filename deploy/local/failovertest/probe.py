"""Sends requests at a steady rate, each once, like a client without retries.

They run in their own thread, so that the events do not delay them.
"""

import asyncio
import contextlib
import json
import secrets
import threading
import time
from typing import Any

from localcluster.problem import Problem

from . import wire
from .feed import Feed
from .measure import MUTATIONS, ProbeRequest
from .wire import Query

# Longer than every time limit of the servers and the front.
PATIENCE_S = 30.0
LOG_IN = "mutation($input: LogInInput!) { logIn(input: $input) { token user { id } errors { message } } }"
ADD = "mutation($input: AddCommentInput!) { addComment(input: $input) { comment { id } errors { code } } }"
MOVIES = "{ movies(first: 20) { nodes { id title } } }"
VIEWER = "{ viewer { id username } }"


class Probe:
    """The requests and their results. `requests` grows while the probe runs."""

    def __init__(self, address: tuple[str, int], rate: float, kinds: tuple[str, ...], listeners: int) -> None:
        self.address = address
        self.rate = rate
        self.kinds = kinds
        self.run = secrets.token_hex(4)
        self.requests: list[ProbeRequest] = []
        self.feed = Feed(address, f"probe {self.run} ", listeners)
        self.number = 0
        self.movies: list[str] = []
        self.token = ""
        self.viewer = ""
        self.failure: BaseException | None = None
        self._stop = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._under_way: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._main, daemon=True)

    def start(self, login: str, password: str) -> None:
        """Logs in and starts."""
        session = self._ask_once(Query(LOG_IN, {"input": {"login": login, "password": password}}))["logIn"]
        if session["errors"] or not session["token"]:
            raise Problem(
                f"the probe cannot log in as {login}: {session['errors']}", "`cluster up` seeds demo accounts"
            )
        self.token, self.viewer = session["token"], session["user"]["id"]
        self.movies = [node["id"] for node in self._ask_once(Query(MOVIES))["movies"]["nodes"]]
        if not self.movies:
            raise Problem("the database has no movies to comment on", "`cluster up` seeds some")
        self.feed.cursor = self._ask_once(Query("{ commentCursor }"))["commentCursor"]
        self._thread.start()

    def stop(self) -> None:
        """Stops, and waits for requests in flight and for events that listeners have not received yet."""
        if self._loop and self._thread.is_alive():
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(PATIENCE_S + 10)

    def _ask_once(self, query: Query) -> Any:
        """The data of a request that must succeed."""
        try:
            status, body = asyncio.run(asyncio.wait_for(wire.ask(self.address, query), PATIENCE_S))
            code, data = read_answer(status, body)
        except (OSError, TimeoutError, wire.InvalidResponse) as error:
            code, data = str(error) or type(error).__name__, None
        if code:
            host, port = self.address
            raise Problem(f"{host}:{port} does not respond like Kinoteka: {code}", "see `cluster status`")
        return data

    def _main(self) -> None:
        try:
            asyncio.run(self._run())
        except BaseException as error:
            self.failure = error

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        listening = [asyncio.create_task(self.feed.listen(one)) for one in range(self.feed.listeners)]
        begun = time.monotonic() + 0.2
        ticks = [
            asyncio.create_task(self._tick(kind, begun + index / len(self.kinds) / self.rate))
            for index, kind in enumerate(self.kinds)
        ]
        await self._stop.wait()
        for tick in ticks:
            tick.cancel()
        await asyncio.gather(*ticks, return_exceptions=True)
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=PATIENCE_S)
        await self._wait_for_listeners()
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)

    async def _wait_for_listeners(self) -> None:
        acknowledged = {request.number for request in self.requests if request.kind in MUTATIONS and not request.code}
        deadline = time.monotonic() + 10
        while self.feed.misses(acknowledged) and time.monotonic() < deadline:
            await asyncio.sleep(0.1)

    async def _tick(self, kind: str, due: float) -> None:
        while True:
            await asyncio.sleep(due - time.monotonic())
            self.number += 1
            task = asyncio.create_task(self._send(kind, self.number, due))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
            due += 1 / self.rate

    async def _send(self, kind: str, number: int, due: float) -> None:
        code = "no answer"
        try:
            async with asyncio.timeout(PATIENCE_S):
                status, body = await wire.ask(self.address, self._query(kind, number))
            code, data = read_answer(status, body)
            code = code or self._judge(kind, number, data)
        except TimeoutError:
            pass
        except ConnectionRefusedError:
            code = "connection refused"
        except OSError:
            code = "connection closed"
        except wire.InvalidResponse:
            code = "HTTP malformed"
        self.requests.append(ProbeRequest(kind, number, due, time.monotonic(), code))

    def _query(self, kind: str, number: int) -> Query:
        if kind == "anonymous":
            return Query(MOVIES)
        if kind == "signed-in":
            return Query(VIEWER, token=self.token)
        subject = self.movies[number % len(self.movies)]
        given = {"input": {"subjectId": subject, "text": f"probe {self.run} {number}"}}
        return Query(ADD, given, self.token, f"{self.run}-{number}" if kind == "keyed" else "")

    def _judge(self, kind: str, number: int, data: Any) -> str:
        """The fault in the data of a response without errors."""
        try:
            if kind == "anonymous":
                return "" if len(data["movies"]["nodes"]) == len(self.movies) else "wrong data"
            if kind == "signed-in":
                return "" if data["viewer"]["id"] == self.viewer else "wrong data"
            payload = data["addComment"]
            if payload["errors"]:
                return f"payload {payload['errors'][0]['code']}"
            self.feed.ids[payload["comment"]["id"]] = number
            return ""
        except (KeyError, TypeError, IndexError):
            return "wrong data"


def read_answer(status: int, body: bytes) -> tuple[str, Any]:
    """The code of a response's first error, or an empty code and the data."""
    try:
        answer = json.loads(body)
    except ValueError:
        return f"HTTP {status}" if status != 200 else "not JSON", None
    try:
        if errors := answer.get("errors"):
            extensions = errors[0]["extensions"]
            outcome = extensions.get("outcome")
            return extensions["code"] + (f" ({outcome})" if outcome else ""), None
        return "", answer["data"]
    except (AttributeError, KeyError, TypeError, IndexError):
        return "not JSON of GraphQL", None
