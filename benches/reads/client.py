"""A client that sends one request after another, for checks before and after the measurements."""

import json
import socket

from processes import Failure


class Client:
    """One kept connection to `http://127.0.0.1:PORT/PATH`. Counts the bytes of each response."""

    def __init__(self, port, path):
        self.port, self.path = port, path
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.received = b""

    def close(self):
        self.socket.close()

    def post(self, body):
        """The status, the body, and the size of the response with its head."""
        content = body.encode()
        head = (f"POST {self.path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: application/json\r\n"
                f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n")
        self.socket.sendall(head.encode() + content)
        answer_head = self.read_until(b"\r\n\r\n")
        lines = answer_head.decode("latin-1").lower().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
        size = len(answer_head)
        if "content-length" in headers:
            answer = self.read(int(headers["content-length"]))
            size += len(answer)
        else:
            answer = b""
            while True:
                line = self.read_until(b"\r\n")
                chunk = self.read(int(line, 16) + 2)[:-2]
                size += len(line) + len(chunk) + 2
                if not chunk:
                    break
                answer += chunk
        return int(lines[0].split()[1]), answer, size

    def read_until(self, end):
        while end not in self.received:
            self.receive()
        found = self.received.index(end) + len(end)
        head, self.received = self.received[:found], self.received[found:]
        return head

    def read(self, length):
        while len(self.received) < length:
            self.receive()
        content, self.received = self.received[:length], self.received[length:]
        return content

    def receive(self):
        data = self.socket.recv(1 << 18)
        if not data:
            raise Failure("the server closed the connection")
        self.received += data

    def check(self, body):
        """The data of a response that must be successful, and its size."""
        status, answer, size = self.post(body)
        try:
            parsed = json.loads(answer)
        except ValueError:
            parsed = {}
        if status != 200 or parsed.get("errors") or not parsed.get("data"):
            raise Failure(f"{body[:500]}\ngot status {status}:\n{answer[:1000].decode(errors='replace')}")
        return parsed["data"], size

    def data(self, query, variables):
        return self.check(json.dumps({"query": query, "variables": variables}))[0]
