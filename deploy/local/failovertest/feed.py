"""Listeners for new comments. They reconnect with their last cursor."""

import asyncio
import json
import time
from contextlib import suppress

from . import wire
from .measure import Delivery
from .wire import Query

SUBSCRIPTION = "subscription($after: String) { commentAdded(after: $after) { cursor commentId comment { text } } }"
# How long a client waits before it reconnects.
PAUSE_S = 0.2
# The server sends a comment on an idle stream every 30 s.
SILENCE_S = 65.0


class Feed:
    """The listeners, and the probe's comments that they received."""

    def __init__(self, address: tuple[str, int], mark: str, listeners: int) -> None:
        self.address = address
        self.mark = mark
        self.listeners = listeners
        # The cursor at which all listeners start, and the current one of each.
        self.cursor = ""
        self._cursors = [""] * listeners
        self.deliveries: list[Delivery] = []
        self.heard: list[set[int]] = [set() for _ in range(listeners)]
        # Ids of acknowledged comments with their numbers: the event of a deleted comment has no text.
        self.ids: dict[str, int] = {}
        # The number of cursors that belonged to a lost history.
        self.expired = 0
        self.connections = 0

    def misses(self, numbers: set[int]) -> bool:
        """Whether a listener has not received all of these."""
        return any(numbers - heard for heard in self.heard)

    async def listen(self, listener: int) -> None:
        """Listens until it is cancelled."""
        self._cursors[listener] = self.cursor
        while True:
            with suppress(OSError, TimeoutError, wire.InvalidResponse):
                await self._connect(listener)
            await asyncio.sleep(PAUSE_S)

    async def _connect(self, listener: int) -> None:
        """Follows a stream to its end."""
        cursor = self._cursors[listener]
        query = Query(SUBSCRIPTION, {"after": cursor} if cursor else None)
        self.connections += 1
        async with wire.send(self.address, query.encode(self.address[0], "text/event-stream")) as (status, body):
            stream = wire.events(body)
            while status == 200:
                async with asyncio.timeout(SILENCE_S):
                    event = await anext(stream, None)
                if event is None or event[0] == "complete":
                    return
                self._take(listener, event[2])

    def _take(self, listener: int, data: str) -> None:
        with suppress(ValueError, KeyError, TypeError):
            answer = json.loads(data)
            errors = answer.get("errors") or []
            if any(error["extensions"]["code"] == "CURSOR_EXPIRED" for error in errors):
                self.expired += 1
                self._cursors[listener] = ""
                return
            event = answer["data"]["commentAdded"]
            self._cursors[listener] = event["cursor"]
            text = (event["comment"] or {}).get("text") or ""
            known = self.ids.get(event["commentId"])
            number = int(text.removeprefix(self.mark)) if text.startswith(self.mark) else known
            if number is not None:
                self.deliveries.append(Delivery(listener, number, time.monotonic()))
                self.heard[listener].add(number)
