"""The requests: a document for each server and query, and the variables of many requests."""

import base64
import json
import random
from datetime import datetime

from processes import Failure

MOVIE = "id title originalTitle year country rating durationMinutes"

TITLES = {
    "a": "a movie by id",
    "b": "20 movies with staff (person, position), awards (award, nomination), availability (cinema)",
    "c": "a movie's first 20 comments with authors",
    "d": "a search over movies, persons, publications and cinemas, 20 hits with snippets",
    "e_first": "the first 20 movies by year",
    "e_deep": "20 movies by year, nine tenths down the list",
    "f": "a thread of 500 comments",
}

# For plots.
NAMES = {
    "a": "Movie by id",
    "b": "20 movies, nested lists",
    "c": "Comments with authors",
    "d": "Search",
    "e_first": "First page by year",
    "e_deep": "Deep page by year",
    "f": "Thread of 500 comments",
}

OURS = {
    "a": f"query Movie($id: ID!) {{ movie(id: $id) {{ {MOVIE} }} }}",
    "b": """query Movies($after: String) { movies(first: 20, after: $after) { nodes { id title year rating
        staff { nodes { character isLead person { id firstName lastName } position { title } } }
        awards { nodes { award { title } nomination { title } } }
        availability { nodes { price discountPercent cinema { title } } } } } }""",
    "c": """query Comments($id: ID!) { movie(id: $id) { title comments(first: 20) { nodes {
        id text createdAt author { id username fullName } } } } }""",
    "d": """query Search($query: String!) { search(query: $query, first: 20) { nodes { score snippet node { __typename
        ... on Movie { id title year } ... on Person { id firstName lastName } ... on Publication { id title } } } } }""",
    "e_first": f"query Page($after: String) {{ movies(first: 20, after: $after, orderBy: YEAR_DESC) {{ nodes {{ {MOVIE} }} }} }}",
    "f": """query Thread($id: ID!) { comment(id: $id) { thread(first: 500) { nodes {
        id text createdAt author { username } } hasMore } } }""",
}
OURS["e_deep"] = OURS["e_first"]

# Aliases give the responses the same shape, so that they can be compared.
POSTGRAPHILE = {
    "a": """query Movie($id: Int!) { movie: movieByRowId(rowId: $id) {
        id: rowId title originalTitle: titleOriginal year country rating durationMinutes: duration } }""",
    "b": """query Movies($after: Cursor) { movies: allMovies(first: 20, after: $after, orderBy: [PRIMARY_KEY_DESC]) { nodes {
        id: rowId title year rating
        staff: movieStaffM2MsByMovieId(first: 20) { nodes { character isLead: isLeadRole
            person: personByPersonId { id: rowId firstName lastName } position: personPositionByPositionId { title } } }
        awards: awardsByMovieId(first: 20) { nodes {
            award: filmAwardRegistryByFilmAwardId { title } nomination: filmAwardNominationsRegistryByNominationId { title } } }
        availability: cinemaOnlineMoviePresencesByMovieId(first: 20) { nodes {
            price discountPercent: discount cinema: cinemaOnlineByCinemaId { title } } } } } }""",
    "c": """query Comments($id: Int!) { movie: movieByRowId(rowId: $id) { title
        comments: commentsByMovieId(first: 20, condition: { parentId: null }, orderBy: [PRIMARY_KEY_DESC]) { nodes {
            id: rowId text: comment createdAt author: userByUserId { id: rowId username fullName: fio } } } } }""",
}

MERCURIUS = {name: OURS[name].replace("ID!", "Int!").replace("$after: String", "$after: Int") for name in "abc"}

# Frequent and rare words, inflected forms that no text contains, parts of titles, names.
SEARCHES = [
    "фильмами", "режиссёра", "музыка города", "зимний вечер", "Орлов Анна", "Лебедевский", "тёплый дом", "детство",
    "письма о детстве", "тишина и снег", "The Night of 77", "последний поезд", "Воробьёв Пётр", "камера и свет",
    "\"зимний берег\"", "город -снег", "сцена", "Чайкин", "герои", "голос зрителя", "сады", "окна", "кинопоиск", "вечерний",
]


class Points:
    """The rows that the requests read: random ids and positions, the same for all servers."""

    def __init__(self, postgres, database, movies):
        dice = random.Random(7)
        self.movies = [dice.randint(1, movies) for _ in range(1000)]
        talked = postgres.ask(database, """
            SELECT movie_id FROM comments WHERE movie_id IS NOT NULL AND parent_id IS NULL
            GROUP BY movie_id HAVING count(*) >= 20 ORDER BY movie_id""")
        self.talked = [int(dice.choice(talked)[0]) for _ in range(500)]
        # The movies after which the pages of 20 begin.
        self.behind = [dice.randint(21, movies) for _ in range(300)]
        self.count = movies
        self.threads = [20 * movies - 500 * thread + 1 for thread in range(1, movies // 500 + 1)]
        self.deep = [movies * 9 // 10 - dice.randint(0, min(100, movies // 100)) for _ in range(50)]


def ours(name, points, cursors):
    """The variables of our requests. `cursors(order, ranks)` returns the cursor of each rank in a list."""
    if name == "a":
        return [{"id": global_id("Movie", key)} for key in points.movies]
    if name == "b":
        return [{"after": cursor} for cursor in cursors("NEWEST", [points.count - key for key in points.behind])]
    if name == "c":
        return [{"id": global_id("Movie", key)} for key in points.talked]
    if name == "d":
        return [{"query": query} for query in SEARCHES]
    if name == "e_first":
        return [{}]
    if name == "e_deep":
        return [{"after": cursor} for cursor in cursors("YEAR_DESC", points.deep)]
    return [{"id": global_id("Comment", key)} for key in points.threads]


def peers(name, points, cursors):
    """The variables of a peer's requests."""
    if name == "b":
        return [{"after": cursor} for cursor in cursors(points.behind)]
    return [{"id": key} for key in (points.movies if name == "a" else points.talked)]


def our_cursors(client):
    """Walks our lists of movies to find cursors."""
    walked = {}

    def find(order, ranks):
        cursors = walked.setdefault(order, [])
        while len(cursors) <= max(ranks):
            query = "query($after: String, $order: MovieOrder!) { movies(first: 100, after: $after, orderBy: $order) { edges { cursor } } }"
            edges = client.data(query, {"after": cursors[-1] if cursors else None, "order": order})["movies"]["edges"]
            if not edges:
                raise Failure(f"the list by {order} ends after {len(cursors)} movies")
            cursors += [edge["cursor"] for edge in edges]
        return [cursors[rank] for rank in ranks]

    return find


def postgraphile_cursors(client):
    """PostGraphile's cursor of each movie in the list by id."""
    def find(keys):
        cursors, after = {}, None
        while True:
            query = "query($after: Cursor) { allMovies(first: 500, after: $after, orderBy: [PRIMARY_KEY_DESC]) { edges { cursor node { rowId } } } }"
            edges = client.data(query, {"after": after})["allMovies"]["edges"]
            if not edges:
                return [cursors[key] for key in keys]
            cursors |= {edge["node"]["rowId"]: edge["cursor"] for edge in edges}
            after = edges[-1]["cursor"]

    return find


def global_id(type_name, key):
    return base64.urlsafe_b64encode(f"{type_name}:{key}".encode()).decode().rstrip("=")


def bodies(document, variables):
    """The bodies of the requests."""
    document = " ".join(document.split())
    return [json.dumps({"query": document, "variables": each}, ensure_ascii=False) for each in variables]


def comparable(value, key=None):
    """A response with ids as numbers and times in one format."""
    if isinstance(value, dict):
        return {name: comparable(each, name) for name, each in value.items()}
    if isinstance(value, list):
        return [comparable(each, key) for each in value]
    if key == "id" and isinstance(value, str):
        return int(base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)).decode().split(":")[1])
    if key == "createdAt":
        return datetime.fromisoformat(value).timestamp()
    return value


# For each peer: its documents, and the function that finds its cursors.
PEERS = {
    "postgraphile": (POSTGRAPHILE, postgraphile_cursors),
    # Its cursor is the movie's key.
    "mercurius": (MERCURIUS, lambda client: lambda keys: keys),
}
