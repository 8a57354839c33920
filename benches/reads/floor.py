"""The statements of a server, from PostgreSQL's log. pgbench runs ours as the lower bound that SQL sets."""

import re
from pathlib import Path

from processes import Failure

# The number of requests that become scripts. pgbench chooses among them at random. Every client plans
# all statements, so with many scripts the planning would be measured.
REQUESTS = 8


def capture(postgres, database, start_server, bodies):
    """By query, the statements (text, parameters) of each of a few requests, sent one at a time.

    `start_server` starts a server for this purpose and returns it with a client. `bodies` has each query's
    requests.
    """
    # Earlier entries are those of other servers.
    seen = len(postgres.statements_logged())
    postgres.log_statements(database, True)
    try:
        server, client = start_server()
        try:
            for name, requests in bodies.items():
                # Cached rows do not count as part of a request.
                for body in requests[:REQUESTS] * 2:
                    client.check(body)
                mark(postgres, database, f"{name} begins")
                for number, body in enumerate(requests[:REQUESTS]):
                    client.check(body)
                    mark(postgres, database, f"{name} {number}")
        finally:
            client.close()
            server.stop()
        entries = postgres.statements_logged()[seen:]
        return {name: cut(entries, name) for name in bodies}
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
            if re.match(r"\(?(SELECT|WITH)\b", text, re.IGNORECASE) and "pg_catalog" not in text:
                current.append((text, parameters(entry.get("detail", ""))))
    if not requests or not all(requests):
        raise Failure(f"PostgreSQL's log has no statements of query {name}")
    return requests


def parameters(detail):
    """The values in `parameters: $1 = '...', $2 = NULL`, without NULLs."""
    found = re.findall(r"\$(\d+) = '((?:[^']|'')*)'", detail.removeprefix("parameters: "))
    return {int(number): value.replace("''", "'") for number, value in found}


def write_scripts(folder, name, requests):
    """pgbench's scripts for a query, one per request, and the values of their variables."""
    scripts, variables = [], {}
    for number, statements in enumerate(requests):
        lines = []
        for position, (text, values) in enumerate(statements):
            prefix = f"{name}_{number}_{position}_"
            variables |= {f"{prefix}{key}": value for key, value in values.items()}
            name_variable = lambda found: spell(prefix, int(found[1]), values)
            lines.append(re.sub(r"\$(\d+)", name_variable, " ".join(text.split())) + ";")
        script = Path(folder) / f"{name}-{number}.sql"
        script.write_text("\n".join(lines) + "\n")
        scripts.append(script)
    return scripts, variables


def spell(prefix, number, values):
    """A parameter as a variable of pgbench. pgbench passes no types, and PostgreSQL cannot infer those of arrays."""
    if number not in values:
        return "NULL"
    return f":{prefix}{number}" + ("::integer[]" if values[number].startswith("{") else "")
