"""A stand-in for the exporters of a cluster: serves recorded exports with rising counters."""

import re
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from names import EXPORTS

COUNTER = re.compile(r"\w+_(total|count|sum|bucket)\b|pg_stat_database_\w+|kinoteka_pg_statements_\w+")


class Exporters:
    """Serves exports at addresses. `renamed` replaces text in them."""

    def __init__(self, exports: Mapping[tuple[str, int], str]) -> None:
        self.renamed: tuple[str, str] | None = None
        self.started = time.monotonic()
        self.servers = [self.serve(address, export) for address, export in exports.items()]

    def serve(self, address: tuple[str, int], export: str) -> ThreadingHTTPServer:
        lines = (EXPORTS / f"{export}.prom").read_text().splitlines()
        exporters = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = exporters.text(lines).encode()
                self.send_response(200)
                self.send_header("content-type", "text/plain; version=0.0.4")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(address, Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    def text(self, lines: list[str]) -> str:
        # All counters grow by the same factor, so that buckets stay cumulative.
        growth = 1 + (time.monotonic() - self.started) / 60
        grown = []
        for line in lines:
            if COUNTER.match(line):
                series, _, value = line.rpartition(" ")
                line = f"{series} {float(value) * growth}"
            grown.append(line)
        text = "\n".join(grown) + "\n"
        return text.replace(*self.renamed) if self.renamed else text

    def stop(self) -> None:
        for server in self.servers:
            server.shutdown()
            server.server_close()
