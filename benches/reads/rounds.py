"""The measurements on one database, in rounds that go through all servers."""

import json
import statistics
from dataclasses import dataclass, field
from pathlib import Path

import floor
import load
import queries
from client import Client
from processes import Failure

# The number of compared responses for each query. All requests are sent once before they are measured.
COMPARED = 25


@dataclass
class Job:
    """One cell of the results: its measurements, one per round."""

    target: object
    query: str
    connections: int
    results: list = field(default_factory=list)


class Setting:
    """One database with the servers on it, and the requests for each."""

    def __init__(self, postgres, database, folder, servers, movies):
        self.postgres, self.database, self.servers = postgres, database, servers
        self.folder = Path(folder) / database
        self.folder.mkdir()
        self.url = postgres.url(database)
        self.points = queries.Points(postgres, database, movies)
        self.own = None

    def ours(self, names, title="ours"):
        """Our server with its requests."""
        target = self.own = self.servers.ours(self.url, title)
        client = Client(target.port, target.path)
        cursors = queries.our_cursors(client)
        for name in names:
            self.add(target, client, name, queries.bodies(queries.OURS[name], queries.ours(name, self.points, cursors)))
        client.close()
        return target

    def peer(self, peer, names, title=None, settings=None):
        """A peer with the requests that it supports. Its responses must equal ours."""
        target = self.servers.peer(peer, self.url, f"{peer}, {title}" if title else peer, settings or {})
        client, own = Client(target.port, target.path), Client(self.own.port, self.own.path)
        documents, cursors = queries.PEERS[peer]
        cursors = cursors(client)
        for name in names:
            if name in documents:
                bodies = queries.bodies(documents[name], queries.peers(name, self.points, cursors))
                self.add(target, client, name, bodies)
                self.compare(target, name, client, own)
        client.close()
        own.close()
        return target

    def add(self, target, client, name, bodies):
        file = self.folder / f"{target.name}-{name}.requests"
        file.write_text("\n".join(bodies) + "\n")
        target.bodies[name], target.requests[name] = bodies, file
        target.bytes_expected[name] = statistics.mean(client.check(body)[1] for body in bodies)

    def compare(self, target, name, client, own):
        """Stops the benchmark if a peer's response differs from ours."""
        for mine, theirs in list(zip(self.own.bodies[name], target.bodies[name]))[:COMPARED]:
            left, right = queries.comparable(own.check(mine)[0]), queries.comparable(client.check(theirs)[0])
            if left != right:
                shown = [json.dumps(value, ensure_ascii=False)[:1500] for value in (left, right)]
                raise Failure(f"{target.name} returns another response for ({name}):\n{theirs[:300]}\nours:   {shown[0]}\ntheirs: {shown[1]}")

    def bare_route(self):
        """Routes that send our response to the first request of each query."""
        client = Client(self.own.port, self.own.path)
        target = self.servers.bare_route({name: client.post(bodies[0])[1] for name, bodies in self.own.bodies.items()})
        client.close()
        for name, bodies in self.own.bodies.items():
            client = Client(target.port, target.path.format(query=name))
            target.bodies[name], target.requests[name] = bodies, self.own.requests[name]
            target.bytes_expected[name] = client.post(bodies[0])[2]
            client.close()
        return target

    def statements(self, target):
        """The statements that a fresh server of this kind sends to the database, by query."""
        def start():
            if target is self.own:
                probe = self.servers.ours(self.url, "probe")
            else:
                probe = self.servers.peer(target.name, self.url, "probe", {})
            return probe.program, Client(probe.port, probe.path)

        return floor.capture(self.postgres, self.database, start, target.bodies)

    def floor(self, statements):
        """Our statements, run without a server."""
        scripts = {name: floor.write_scripts(self.folder, name, requests) for name, requests in statements.items()}
        return load.Floor("SQL alone", self.servers.tools, self.postgres, self.database, scripts)

    def sample(self, targets):
        """Checks after the measurements that the servers still respond correctly."""
        for target in targets:
            if target.path != "/graphql":
                continue
            client = Client(target.port, target.path)
            for bodies in target.bodies.values():
                for body in bodies[:COMPARED]:
                    client.check(body)
            client.close()


def groups(targets, names, connections):
    """Jobs in groups that are measured directly after each other."""
    return [[Job(target, name, count) for target in targets if name in target.bodies]
            for count in connections for name in names]


def warm_up(targets, connections, seconds=2):
    """Runs requests until just-in-time compilers have compiled and pools are full."""
    for target in targets:
        for name in target.bodies:
            target.measure(name, connections, seconds)


def interleave(found_groups, arguments, say):
    """Measures all jobs in each round. Every round begins with another server."""
    for number in range(arguments.rounds):
        for group in found_groups:
            turn = number % len(group)
            for job in group[turn:] + group[:turn]:
                job.results.append(job.target.measure(job.query, job.connections, arguments.seconds))
            say(f"round {number + 1} of {arguments.rounds}, ({group[0].query}), {group[0].connections} connections: "
                + ", ".join(f"{job.target.name} {job.results[-1]['requests_per_second']:,.0f}/s" for job in group))
    return [job for group in found_groups for job in group]
