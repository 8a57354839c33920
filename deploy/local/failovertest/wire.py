"""A minimal HTTP/1.1 client for the probe: one request per connection, and event streams."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

Json = dict[str, Any]


class InvalidResponse(Exception):
    """A response that is not valid HTTP."""


@dataclass(frozen=True)
class Query:
    """A GraphQL operation. Queries use GET, which a front may resend; mutations use POST."""

    text: str
    variables: Json | None = None
    token: str = ""
    key: str = ""

    def encode(self, host: str, accept: str = "application/json", last_event: str = "") -> bytes:
        """The bytes of the request."""
        given = {"query": self.text} | ({"variables": self.variables} if self.variables else {})
        headers = {"Host": host, "Accept": accept, "Connection": "close"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if self.key:
            headers["Idempotency-Key"] = self.key
        if last_event:
            headers["Last-Event-ID"] = last_event
        if not self.text.startswith("mutation"):
            words = {k: v if isinstance(v, str) else json.dumps(v) for k, v in given.items()}
            return _head(f"GET /graphql?{urlencode(words)}", headers)
        body = json.dumps(given).encode()
        headers |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
        return _head("POST /graphql", headers) + body


def _head(first: str, headers: dict[str, str]) -> bytes:
    lines = [f"{first} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@contextlib.asynccontextmanager
async def send(address: tuple[str, int], request: bytes) -> AsyncIterator[tuple[int, AsyncIterator[bytes]]]:
    """Sends a request on a new connection. Yields the status and the body as it arrives."""
    reader, writer = await asyncio.open_connection(*address, limit=1 << 20)
    try:
        writer.write(request)
        await writer.drain()
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            status = int(head.split(" ", 2)[1])
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, IndexError) as error:
            if isinstance(error, asyncio.IncompleteReadError) and not error.partial:
                raise ConnectionResetError("closed without a response") from None
            raise InvalidResponse("the response is not HTTP") from None
        yield status, _body(reader, head)
    finally:
        writer.close()


async def _body(reader: asyncio.StreamReader, head: str) -> AsyncIterator[bytes]:
    fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
    try:
        if "chunked" in fields.get("transfer-encoding", ""):
            while length := int(await reader.readline(), 16):
                yield await reader.readexactly(length)
                await reader.readline()
        elif "content-length" in fields:
            yield await reader.readexactly(int(fields["content-length"]))
        else:
            while part := await reader.read(1 << 16):
                yield part
    except asyncio.IncompleteReadError:
        raise ConnectionResetError("closed during a response") from None
    except ValueError:
        if reader.at_eof():
            raise ConnectionResetError("closed during a response") from None
        raise InvalidResponse("the response is not HTTP") from None


async def ask(address: tuple[str, int], query: Query) -> tuple[int, bytes]:
    """Status and body of the response."""
    async with send(address, query.encode(address[0])) as (status, body):
        return status, b"".join([part async for part in body])


async def events(body: AsyncIterator[bytes]) -> AsyncIterator[tuple[str, str, str]]:
    """The events of a stream: name, id and data."""
    text = b""
    async for part in body:
        text += part
        while (end := text.find(b"\n\n")) >= 0:
            lines = text[:end].decode(errors="replace").split("\n")
            text = text[end + 2 :]
            fields = dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith(":"))
            if fields:
                name, identity, data = (fields.get(field, "").strip() for field in ("event", "id", "data"))
                yield name, identity, data
