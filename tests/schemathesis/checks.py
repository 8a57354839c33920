"""The requests of scripts/test-schemathesis, and the check of every response."""

import base64
import json
import os
from dataclasses import replace
from urllib.request import Request, urlopen

import schemathesis
from graphql import REMOVE, IntValueNode, StringValueNode, Visitor, print_ast, visit
from hypothesis import strategies

KINDS = {"award": "FilmAward", "cinema": "Cinema", "person": "Person", "node": "Movie"}


class Reasonable(Visitor):
    """Replaces random ids and page sizes, which would always be refused, by existing ids and valid sizes."""

    def enter_argument(self, node, key, parent, path, ancestors):
        name = node.name.value
        if name in {"last", "after", "before"}:
            return REMOVE
        if name == "first" and isinstance(node.value, IntValueNode):
            return replace(node, value=IntValueNode(value=str(abs(int(node.value.value)) % 5)))
        if name == "id":
            return replace(node, value=known_id(ancestors[-1].name.value))

    def enter_object_field(self, node, *_):
        if node.name.value.endswith("Id"):
            return replace(node, value=known_id(node.name.value.removesuffix("Id")))


def known_id(name):
    kind = KINDS.get(name, name[:1].upper() + name[1:])
    return StringValueNode(value=base64.urlsafe_b64encode(f"{kind}:7".encode()).decode().rstrip("="))


@schemathesis.hook
def map_body(ctx, body):
    """Half of the documents stay random."""
    return visit(body, Reasonable()) if len(print_ast(body)) % 2 else body


prices = strategies.decimals(min_value=-10, max_value=10_000, places=2)
schemathesis.graphql.scalar("Decimal", prices.map(lambda price: StringValueNode(value=str(price))))


# Mutations that would end the shared session are not sent.
@schemathesis.auth().skip_for(name=["Mutation.logOut", "Mutation.logOutEverywhere"])
class Admin:
    """Sends requests as the demo's admin, who has all rights."""

    def get(self, case, context):
        query = 'mutation { logIn(input: { login: "admin", password: "kinoteka-demo" }) { token } }'
        body = json.dumps({"query": query}).encode()
        with urlopen(Request(os.environ["KINOTEKA_URL"], body, {"content-type": "application/json"})) as response:
            return json.load(response)["data"]["logIn"]["token"]

    def set(self, case, data, context):
        case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.check
def response_is_valid(ctx, response, case):
    """The response is a GraphQL response in JSON, without INTERNAL errors."""
    assert response.status_code < 500, f"status {response.status_code}"
    answer = response.json()
    assert isinstance(answer, dict) and ("data" in answer or "errors" in answer), f"not a GraphQL response: {answer}"
    for error in answer.get("errors", []):
        code = error["extensions"]["code"]
        assert code not in {"INTERNAL", "NONE"}, f"a fault of the server: {error}"
