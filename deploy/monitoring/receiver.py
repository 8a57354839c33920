#!/usr/bin/env python3
"""A receiver for Alertmanager's webhooks, for tests and trials: stores alerts and returns them.

`POST /alerts` accepts a notification. `GET /alerts` returns everything received so far, oldest first:
`[{"at": unix seconds, "status": "firing" or "resolved", "labels": {...}, "annotations": {...}}, ...]`.
"""

import argparse
import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BODY_BYTES_MAX = 4 << 20
ALERTS_MAX = 10_000

received: list[dict[str, object]] = []


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        length = int(self.headers.get("content-length", 0))
        if self.path != "/alerts" or length > BODY_BYTES_MAX:
            self.send_error(404 if self.path != "/alerts" else 413)
            return
        try:
            alerts = json.loads(self.rfile.read(length))["alerts"]
            found = [{name: alert[name] for name in ("status", "labels", "annotations")} for alert in alerts]
        except (ValueError, KeyError, TypeError):
            self.send_error(400)
            return
        received.extend({"at": time.time(), **alert} for alert in found)
        del received[:-ALERTS_MAX]
        self.answer("{}")

    def do_GET(self) -> None:
        if self.path != "/alerts":
            self.send_error(404)
            return
        self.answer(json.dumps(received))

    def answer(self, text: str) -> None:
        body = text.encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--listen", default="127.0.0.1:9099", metavar="HOST:PORT")
    host, _, port = parser.parse_args().listen.rpartition(":")
    ThreadingHTTPServer((host, int(port)), Handler).serve_forever()


if __name__ == "__main__":
    main()
