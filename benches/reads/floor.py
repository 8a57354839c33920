"""The statements of a server, as PostgreSQL logged them; ours are run by pgbench as the floor that SQL sets."""

import re
from pathlib import Path

from processes import Failure

# Each of so many requests makes a script; pgbench chooses among them at random. Every client plans
# all of their statements, so many scripts would measure planning.
REQUESTS = 8


def capture(postgres, database, start_server, bodies):
    """By query, the statements of each of a few requests that come one at a time: (text, parameters).

    `start_server` starts a server that exists for this, and gives it with a client; `bodies` has each
    query's requests.
    """
    # Entries of servers that were asked before stand above these.
    seen = len(postgres.statements_logged())
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
    """The values in `parameters: $1 = '...', $2 = NULL`, of which a NULL is left out."""
    found = re.findall(r"\$(\d+) = '((?:[^']|'')*)'", detail.removeprefix("parameters: "))
    return {int(number): value.replace("''", "'") for number, value in found}


def write_scripts(folder, name, requests):
    """pgbench's scripts of a query, one a request, and the values of their variables."""
    scripts, variables = [], {}
    for number, statements in enumerate(requests):
        lines = []
        for place, (text, values) in enumerate(statements):
            prefix = f"{name}_{number}_{place}_"
            variables |= {f"{prefix}{key}": value for key, value in values.items()}
            name_variable = lambda found: spell(prefix, int(found[1]), values)
            lines.append(re.sub(r"\$(\d+)", name_variable, " ".join(text.split())) + ";")
        script = Path(folder) / f"{name}-{number}.sql"
        script.write_text("\n".join(lines) + "\n")
        scripts.append(script)
    return scripts, variables


def spell(prefix, number, values):
    """A parameter as a variable of pgbench, which tells PostgreSQL no types: of arrays it cannot guess them."""
    if number not in values:
        return "NULL"
    return f":{prefix}{number}" + ("::integer[]" if values[number].startswith("{") else "")
