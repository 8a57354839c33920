"""The floor that SQL sets: the server's own statements, as PostgreSQL logged them, run by pgbench."""

import re
from pathlib import Path

from processes import Failure

# Each of so many requests makes a script; pgbench chooses among them at random. Every client plans
# all of their statements, so many scripts would measure planning.
REQUESTS = 8


def capture(postgres, database, folder, start_server, bodies):
    """pgbench's scripts and variables for each query, from a server that exists for this.

    `start_server` starts one and gives it with a client; `bodies` has each query's requests.
    """
    postgres.log_statements(database, True)
    try:
        server, client = start_server()
        try:
            for name, requests in bodies.items():
                # What is read once and kept is no part of a request.
                for body in requests[:REQUESTS] * 2:
                    client.check(body)
                mark(postgres, database, f"{name} begins")
                for number, body in enumerate(requests[:REQUESTS]):
                    client.check(body)
                    mark(postgres, database, f"{name} {number}")
        finally:
            client.close()
            server.stop()
        return {name: write_scripts(folder, name, cut(postgres.statements_logged(), name)) for name in bodies}
    finally:
        postgres.log_statements(database, False)


def mark(postgres, database, text):
    postgres.ask(database, f"SELECT 'mark: {text}'")


def cut(entries, name):
    """The statements of each request to query `name`: a list of (text, parameters) each."""
    requests, current = [], None
    for entry in entries:
        message = entry["message"]
        if found := re.search(r"SELECT 'mark: (\w+) (\w+)'", message):
            if found.group(1) == name:
                if current is not None:
                    requests.append(current)
                current = []
        elif current is not None and (found := re.match(r"duration: [\d.]+ ms  execute [^:]+: (.*)", message, re.DOTALL)):
            text = found.group(1).strip().rstrip(";")
            if re.match(r"(SELECT|WITH)\b", text) and "pg_catalog" not in text:
                current.append((text, parameters(entry.get("detail", ""))))
    if not requests or not all(requests):
        raise Failure(f"PostgreSQL's log has no statements of query {name}")
    return requests


def parameters(detail):
    """The values in `parameters: $1 = '...', $2 = NULL`."""
    found = re.findall(r"\$(\d+) = (?:'((?:[^']|'')*)'|NULL)", detail.removeprefix("parameters: "))
    return {int(number): value.replace("''", "'") for number, value in found}


def write_scripts(folder, name, requests):
    scripts, variables = [], {}
    for number, statements in enumerate(requests):
        lines = []
        for place, (text, values) in enumerate(statements):
            prefix = f"{name}_{number}_{place}_"
            variables |= {f"{prefix}{key}": value for key, value in values.items()}
            # pgbench says of no parameter what it is, and of arrays PostgreSQL cannot guess it.
            variable = lambda found: f":{prefix}{found[1]}" + ("::integer[]" if values.get(int(found[1]), "").startswith("{") else "")
            lines.append(re.sub(r"\$(\d+)", variable, " ".join(text.split())) + ";")
        script = Path(folder) / f"{name}-{number}.sql"
        script.write_text("\n".join(lines) + "\n")
        scripts.append(script)
    return {"scripts": scripts, "variables": variables, "statements": sum(map(len, requests)) / len(requests),
            "texts": [text for text, _ in requests[0]]}
