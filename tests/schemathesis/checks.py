"""How scripts/test-schemathesis asks, and what it wants of every answer."""

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
    """Puts ids that exist and pages of a sane size where chance would put what is always refused."""

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
    """Half of the documents stay as chance has made them."""
    return visit(body, Reasonable()) if len(print_ast(body)) % 2 else body


prices = strategies.decimals(min_value=-10, max_value=10_000, places=2)
schemathesis.graphql.scalar("Decimal", prices.map(lambda price: StringValueNode(value=str(price))))


# What would end the session of all the others is asked by nobody.
@schemathesis.auth().skip_for(name=["Mutation.logOut", "Mutation.logOutEverywhere"])
class Admin:
    """Asks as the demo's admin, who may do everything."""

    def get(self, case, context):
        query = 'mutation { logIn(input: { login: "admin", password: "kinoteka-demo" }) { token } }'
        body = json.dumps({"query": query}).encode()
        with urlopen(Request(os.environ["KINOTEKA_URL"], body, {"content-type": "application/json"})) as response:
            return json.load(response)["data"]["logIn"]["token"]

    def set(self, case, data, context):
        case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.check
def answer_is_sound(ctx, response, case):
    """The answer is JSON of GraphQL's form, and no error in it is a fault of the server."""
    assert response.status_code < 500, f"status {response.status_code}"
    answer = response.json()
    assert isinstance(answer, dict) and ("data" in answer or "errors" in answer), f"no GraphQL: {answer}"
    for error in answer.get("errors", []):
        code = error["extensions"]["code"]
        assert code not in {"INTERNAL", "NONE"}, f"a fault of the server: {error}"
