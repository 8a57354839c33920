"""Misbehaving clients of all kinds against a running server: `soak.py URL PROCESS SECONDS [--leak]`.

The first quarter of the time warms the server up. Then there are six equal rounds. The memory peaks of the last three
rounds must be about those of the first three. /readyz stays green, and no connection is left behind.

With --leak, all clients keep opening connections without closing them, which looks like a leak. The soak must detect
it.
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
from statistics import median
from urllib.parse import urlsplit
from urllib.request import urlopen

URL, PROCESS, SECONDS = sys.argv[1].rstrip("/"), int(sys.argv[2]), float(sys.argv[3])
LEAK = "--leak" in sys.argv[4:]
HOST, PORT = urlsplit(URL).hostname, urlsplit(URL).port
ROUNDS = 6
# For the median peak of three rounds. It varied by up to 7 MiB on a busy machine.
GROWTH_MAX_KIB = 24 << 10
# The server accepts 20,000 connections, and the system as many files.
HOARD_MAX = 18_000
# Catches hangs.
ANSWER_WITHIN_S = 30
# The server's timeouts, such as --body-timeout-ms. scripts/test-soak sets them to a second.
PATIENCE_S = 1
QUERY = "{ movies(first: 20) { nodes { title year staff(first: 5) { nodes { person { lastName } } } } } }"

# asyncio warns about every write to a connection that the server has closed.
logging.getLogger("asyncio").setLevel(logging.ERROR)
seen = Counter()
chance = random.Random(1)


def head(length, path="/graphql"):
    return f"POST {path} HTTP/1.1\r\nhost: soak\r\ncontent-type: application/json\r\n{length}\r\n\r\n".encode()


def request(query=QUERY):
    # Some documents are not in the document cache yet.
    body = json.dumps({"query": f"{query} # {chance.randrange(1000)}"}).encode()
    return head(f"content-length: {len(body)}") + body


async def status(reader):
    line = await asyncio.wait_for(reader.readline(), ANSWER_WITHIN_S)
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
    # A half-closed client looks like a disconnected one, which gets no response.
    return await status(reader), {None, 200, 400, 408}


async def oversized(reader, writer):
    writer.write(head(f"content-length: {2 << 20}") + b"x" * 1000)
    return await status(reader), {413}


async def oversized_in_chunks(reader, writer):
    writer.write(head("transfer-encoding: chunked"))
    for _ in range(24):
        writer.write(b"10000\r\n" + b"x" * (1 << 16) + b"\r\n")
        await writer.drain()
    # A busy machine may exceed the timeout.
    return await status(reader), {408, 413}


async def aborted(reader, writer):
    writer.write(request())
    await writer.drain()
    await asyncio.sleep(chance.random() / 20)
    # Closed with a reset.
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return None, {None}


async def deaf(reader, writer):
    # Reads none of many responses.
    reader._limit = 1
    for _ in range(50):
        writer.write(request())
    await asyncio.sleep(3 * PATIENCE_S)
    return None, {None}


async def nested(reader, writer):
    writer.write(request("{" * 100_000))
    # A busy machine may exceed the timeout.
    return await status(reader), {200, 408}


async def hoarder(reader, writer):
    if len(hoard) >= HOARD_MAX:
        await asyncio.sleep(1)
        return None, {None}
    hoard.append(writer)
    writer.write(request("{ __typename }"))
    await asyncio.sleep(0.02)
    return await status(reader), {200}


hoard = []
KINDS = {regular: 4, slow_head: 12, slow_body: 12, half_closed: 6, oversized: 4, oversized_in_chunks: 4,
         aborted: 12, deaf: 6, nested: 2}
if LEAK:
    KINDS = {hoarder: 40}


async def client(kind, end):
    while time.monotonic() < end:
        outcome, allowed, started = None, {None}, time.monotonic()
        try:
            # From many addresses, so that none reaches its limit.
            address = f"127.1.0.{chance.randrange(1, 255)}"
            reader, writer = await asyncio.open_connection(HOST, PORT, local_addr=(address, 0))
            # A client that sends so late that it counts as slow.
            late = time.monotonic() - started > PATIENCE_S / 2
            try:
                outcome, allowed = await kind(reader, writer)
            finally:
                if writer not in hoard:
                    writer.transport.abort()
        except (ConnectionError, asyncio.IncompleteReadError):
            # The server may close a connection before the client has sent everything.
            outcome = "ended"
            allowed = set() if kind in (regular, nested, hoarder) else {"ended"}
        if late:
            allowed = allowed | {None, 408, "ended"}
        seen[f"{kind.__name__} {outcome}"] += 1
        assert outcome in allowed, f"{kind.__name__}: {outcome}"


async def watch(end):
    while time.monotonic() < end:
        started = time.monotonic()
        assert await asyncio.to_thread(get, "/readyz") == "full\n"
        seen["readyz"] += 1
        seen["readyz ms at most"] = max(seen["readyz ms at most"], int((time.monotonic() - started) * 1000))
        await asyncio.sleep(0.2)


def memory_kib():
    """The memory that the server has allocated, without the program's pages and files."""
    with open(f"/proc/{PROCESS}/smaps_rollup") as text:
        return next(int(line.split()[1]) for line in text if line.startswith("Anonymous:"))


async def measure_peaks(begin, seconds):
    """The peak of memory in each round, without pauses between rounds."""
    peaks = [0] * ROUNDS
    await asyncio.sleep(begin - time.monotonic())
    while (number := int((time.monotonic() - begin) / (seconds / ROUNDS))) < ROUNDS:
        peaks[number] = max(peaks[number], memory_kib())
        await asyncio.sleep(0.05)
    return peaks


def get(path):
    # Any other status than 200 raises an exception.
    with urlopen(URL + path, timeout=ANSWER_WITHIN_S) as answer:
        return answer.read().decode()


def open_files():
    text = get("/metrics")
    assert 'code="INTERNAL"' not in text, text
    return int(float(re.search(r"^process_open_fds (\S+)$", text, re.MULTILINE)[1]))


async def settle(files):
    """Waits until all connections are closed."""
    end = time.monotonic() + ANSWER_WITHIN_S
    while (still := await asyncio.to_thread(open_files)) > files:
        assert time.monotonic() < end, f"{still} files are open, but {files} are expected: connections were left behind"
        await asyncio.sleep(0.2)


async def soak():
    # By the end, the pools may have opened more connections and files.
    idle, files = memory_kib(), open_files() + 20
    begin, end = time.monotonic() + SECONDS / 4, time.monotonic() + SECONDS
    clients = (client(kind, end) for kind, count in KINDS.items() for _ in range(count))
    peaks, *_ = await asyncio.gather(measure_peaks(begin, SECONDS * 3 / 4), watch(end), *clients)
    print(*(f"{count:7} {what}" for what, count in sorted(seen.items())), sep="\n")
    print(f"memory: {idle} KiB idle, peaks of equal rounds: {', '.join(map(str, peaks))} KiB")
    growth = median(peaks[ROUNDS // 2 :]) - median(peaks[: ROUNDS // 2])
    if LEAK:
        assert growth > GROWTH_MAX_KIB, f"{len(hoard)} connections were kept, but memory grew only by {growth} KiB"
        print(f"found: memory grew by {growth} KiB with {len(hoard)} connections")
        return
    assert growth <= GROWTH_MAX_KIB, f"memory grew by {growth} KiB in {SECONDS * 3 / 8:.0f} s"
    await settle(files)
    assert get("/readyz") == "full\n"


asyncio.run(soak())
