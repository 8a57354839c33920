// The two graphs on which documents are executed, with generic resolvers.
import { buildSchema, getNamedType, isCompositeType, isListType, isNonNullType } from "graphql";
import { read } from "./corpus.mjs";

// `{"error": "text"}` means that the resolver throws this error.
const graph = (path) =>
  JSON.parse(read(path), (_, value) => (typeof value?.error === "string" ? new Error(value.error) : value));

/** A missing value is a mistake of a case or of the graph: the judge stops at a TypeError. */
function missing(info) {
  return new TypeError(`${info.parentType.name}.${info.fieldName} is not in the graph`);
}

/** Follows the ids of objects. */
function follow(objects, type, value) {
  const plain = isNonNullType(type) ? type.ofType : type;
  if (isListType(plain) && Array.isArray(value)) return value.map((each) => follow(objects, plain.ofType, each));
  return typeof value === "string" && isCompositeType(getNamedType(plain)) ? objects[value] : value;
}

/** The demo catalogue in part, as `export.mjs` took it from a server. */
function demo() {
  const { root, objects } = graph("execution/catalogue.json");
  const connection = ({ totalCount, nodes }, { first = 20 }, info) => {
    if (nodes.length < Math.min(first, totalCount)) throw missing(info);
    const page = nodes.slice(0, first).map((id) => objects[id]);
    return {
      totalCount,
      nodes: page,
      edges: page.map((node) => ({ node })),
      pageInfo: { hasPreviousPage: false, hasNextPage: page.length < totalCount },
    };
  };
  return {
    schema: buildSchema(read("../../schema.graphql")),
    rootValue: root,
    typeResolver: (value) => value.__typename,
    fieldResolver(source, args, _, info) {
      if (info.parentType.name === "Query" && "id" in args) return objects[args.id] ?? null;
      if (info.parentType.name === "Query" && "ids" in args) return args.ids.map((id) => objects[id] ?? null);
      const value = source[info.fieldName];
      if (value === undefined) throw missing(info);
      const isStored = value?.nodes?.every((node) => typeof node === "string");
      return isStored ? connection(value, args, info) : follow(objects, info.returnType, value);
    },
  };
}

/** A schema of every kind of nullability, whose resolvers also fail. */
function stage() {
  const { root, objects } = graph("execution/theatre.json");
  return {
    schema: buildSchema(read("execution/theatre.graphql")),
    rootValue: root,
    typeResolver: (value) => value.__typename,
    fieldResolver(source, args, _, info) {
      if (info.fieldName === "echo") return JSON.stringify(args);
      const value = source[info.fieldName];
      if (value === undefined) throw missing(info);
      return follow(objects, info.returnType, value);
    },
  };
}

export const catalogue = demo();
export const theatre = stage();
