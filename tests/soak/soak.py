"""Clients that misbehave, all at once, against a running server: `soak.py URL SECONDS`.

The first third of the time warms the server up. What the rest adds to its memory is to be next to
nothing; /readyz stays green and answered in time throughout, and no connection is left behind.
"""

import asyncio
import json
import logging
import random
import re
import socket
import struct
import sys
import time
from collections import Counter
from urllib.parse import urlsplit
from urllib.request import urlopen

URL, SECONDS = sys.argv[1].rstrip("/"), float(sys.argv[2])
HOST, PORT = urlsplit(URL).hostname, urlsplit(URL).port
GROWTH_MAX = 8 << 20
READY_WITHIN_S = 5
# The server's --body-timeout-ms and its like, which scripts/test-soak sets to a second.
PATIENCE_S = 1
QUERY = "{ movies(first: 20) { nodes { title year staff(first: 5) { nodes { person { lastName } } } } } }"

# It warns of every write to a connection that the server has ended.
logging.getLogger("asyncio").setLevel(logging.ERROR)
seen = Counter()
chance = random.Random(1)


def head(length, path="/graphql"):
    return f"POST {path} HTTP/1.1\r\nhost: soak\r\ncontent-type: application/json\r\n{length}\r\n\r\n".encode()


def request(query=QUERY):
    # Some documents are new to the cache of documents.
    body = json.dumps({"query": f"{query} # {chance.randrange(1000)}"}).encode()
    return head(f"content-length: {len(body)}") + body


async def status(reader):
    line = await asyncio.wait_for(reader.readline(), 10 * PATIENCE_S)
    return int(line.split()[1]) if line else None


async def regular(reader, writer):
    writer.write(request())
    return await status(reader), {200}


async def slow_head(reader, writer):
    for byte in head("content-length: 100")[:40]:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(PATIENCE_S / 20)
    return await status(reader), {None, 408}


async def slow_body(reader, writer):
    writer.write(head("content-length: 100"))
    for _ in range(15):
        writer.write(b" ")
        await asyncio.sleep(PATIENCE_S / 20)
    return await status(reader), {408}


async def half_closed(reader, writer):
    whole = request()
    writer.write(whole[: chance.choice([len(whole), len(whole) // 2, 20])])
    writer.write_eof()
    # A client that cannot be told from one that has left is not answered.
    return await status(reader), {None, 200, 400, 408}


async def oversized(reader, writer):
    writer.write(head(f"content-length: {2 << 20}") + b"x" * 1000)
    return await status(reader), {413}


async def oversized_in_chunks(reader, writer):
    writer.write(head("transfer-encoding: chunked"))
    for _ in range(24):
        writer.write(b"10000\r\n" + b"x" * (1 << 16) + b"\r\n")
        await writer.drain()
    # The machine may be too busy for so much within the time.
    return await status(reader), {408, 413}


async def aborted(reader, writer):
    writer.write(request())
    await writer.drain()
    await asyncio.sleep(chance.random() / 20)
    # Closed by a reset, not by an end.
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return None, {None}


async def deaf(reader, writer):
    # Takes nothing of many answers.
    reader._limit = 1
    for _ in range(50):
        writer.write(request())
    await asyncio.sleep(3 * PATIENCE_S)
    return None, {None}


async def nested(reader, writer):
    writer.write(request("{" * 100_000))
    return await status(reader), {200}


KINDS = {regular: 4, slow_head: 12, slow_body: 12, half_closed: 6, oversized: 4, oversized_in_chunks: 4,
         aborted: 12, deaf: 6, nested: 2}


async def client(kind, end):
    while time.monotonic() < end:
        outcome, allowed = None, {None}
        try:
            reader, writer = await asyncio.open_connection(HOST, PORT)
            try:
                outcome, allowed = await kind(reader, writer)
            finally:
                writer.transport.abort()
        except (ConnectionError, asyncio.IncompleteReadError):
            # The server may end a connection before the client has sent all.
            outcome = "ended"
            allowed = set() if kind in (regular, nested) else {"ended"}
        seen[f"{kind.__name__} {outcome}"] += 1
        assert outcome in allowed, f"{kind.__name__}: {outcome}"


async def watch(end):
    while time.monotonic() < end:
        started = time.monotonic()
        assert await asyncio.to_thread(get, "/readyz") == "ok\n"
        seen["readyz"] += 1
        seen["readyz ms at most"] = max(seen["readyz ms at most"], int((time.monotonic() - started) * 1000))
        await asyncio.sleep(0.2)


def get(path):
    # Any status but 200 is an exception.
    with urlopen(URL + path, timeout=READY_WITHIN_S) as answer:
        return answer.read().decode()


def measure():
    text = get("/metrics")
    assert 'code="INTERNAL"' not in text, text
    find = lambda name: float(re.search(rf"^{name} (\S+)$", text, re.MULTILINE)[1])
    return int(find("process_resident_memory_bytes")), int(find("process_open_fds"))


async def settle(files):
    """The memory once all connections have ended."""
    for _ in range(100):
        memory, open_files = await asyncio.to_thread(measure)
        if open_files <= files:
            return memory
        await asyncio.sleep(0.2)
    raise AssertionError(f"{open_files} files are open, {files} are expected: connections were left behind")


async def load(seconds):
    end = time.monotonic() + seconds
    await asyncio.gather(watch(end), *(client(kind, end) for kind, count in KINDS.items() for _ in range(count)))


async def soak():
    idle, files = measure()
    # The pools may have opened their connections and their files by then.
    files += 20
    await load(SECONDS / 3)
    warm = await settle(files)
    await load(SECONDS * 2 / 3)
    after = await settle(files)
    print(*(f"{count:7} {what}" for what, count in sorted(seen.items())), sep="\n")
    print(f"memory: {idle >> 10} KiB idle, {warm >> 10} KiB warm, {after >> 10} KiB after")
    assert after - warm <= GROWTH_MAX, f"memory grew by {(after - warm) >> 10} KiB"
    assert get("/readyz") == "ok\n"


asyncio.run(soak())
