#!/usr/bin/env python3
"""Records the exports of a running cluster for the tests: `record.py http://127.0.0.1:9090`.

Writes exports/JOB-NODE.prom for PostgreSQL and Patroni of n1 and n2, one of which must be the leader, and
exports/JOB.prom for one target of each other job. Run it for a new version of an exporter or a new metric, with load
that also causes an error, hits a limit and leaves an event stream. Review the diff.
"""

import json
import re
import sys
import urllib.request

from names import EXPORTS

# Metrics that no rule and no panel needs.
LEFT_OUT = re.compile(
    "go_|promhttp_|etcd_debugging_|etcd_mvcc_|etcd_snap|etcd_grpc|grpc_|os_fd|pg_settings_(?!max_connections)|pg_locks"
    "|pg_stat_bgwriter|haproxy_(process|frontend)|haproxy_(server|backend)_(agg|check|max|http_c)"
    "|node_(?!cpu_sec|disk_(io|read_b|writ)|filesystem|load|memory_Mem|netw)"
)


def read(url: str) -> str:
    # The servers send OpenMetrics to clients that accept it, such as Prometheus.
    request = urllib.request.Request(url, headers={"accept": "application/openmetrics-text; version=1.0.0"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read().decode()


def main() -> None:
    targets = json.loads(read(f"{sys.argv[1]}/api/v1/targets?state=active"))["data"]["activeTargets"]
    recorded = set()
    for target in targets:
        job, node = target["labels"]["job"], target["labels"]["node_name"]
        name = f"{job}-{node}" if job in ("patroni", "postgresql") else job
        if target["health"] != "up":
            print(f"skipped, not up: {target['scrapeUrl']}", file=sys.stderr)
            continue
        # The tests use two nodes.
        if name in recorded or (node == "n3" and name != job):
            continue
        recorded.add(name)
        lines = [
            line
            for line in read(target["scrapeUrl"]).splitlines()
            if line and not line.startswith("#") and not LEFT_OUT.match(line)
        ]
        (EXPORTS / f"{name}.prom").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
