// Prints the result of graphql-js for each case of this folder, one JSON object per line. See README.md.
import { readFileSync } from "node:fs";
import { GraphQLError, buildSchema, execute, getVariableValues, parse, specifiedRules, validate } from "graphql";
import { cases, read } from "./corpus.mjs";
import { catalogue, theatre } from "./worlds.mjs";

// graphql-js 17 needs this, but Node.js 18 of Debian 12 lacks it.
Array.prototype.toSorted ??= function (compare) {
  return [...this].sort(compare);
};

// This rule protects graphql-js from expensive documents. It is not in the specification.
const rules = specifiedRules.filter((rule) => rule.name !== "MaxIntrospectionDepthRule");

const say = (verdict) => console.log(JSON.stringify(verdict));
const places = (error) => (error.locations ?? []).map(({ line, column }) => `${line}:${column}`);

/** The parsed document, or `{ syntax }` if it does not parse. */
function parsed(text) {
  try {
    return { document: parse(text) };
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error;
    return { syntax: { message: error.message, at: places(error)[0] } };
  }
}

/** The rules that a document breaks: each error of each rule with its positions. */
function broken(schema, document) {
  return rules.flatMap((rule) =>
    validate(schema, document, [rule], { maxErrors: Infinity }).map((error) => ({
      rule: rule.name.replace(/Rule$/, ""),
      at: places(error),
      message: error.message,
    })),
  );
}

function judge({ name, document: text }) {
  const { document, syntax } = parsed(text);
  if (syntax) return { case: name, document: text, parses: false, syntax };
  const errors = broken(catalogue.schema, document);
  return { case: name, document: text, parses: true, valid: errors.length === 0, broken: errors };
}

function coerce({ name, document: text, inputs }) {
  const { document } = parsed(text);
  return inputs.map((input) => {
    const definitions = document.definitions[0].variableDefinitions;
    const { errors, variableValues } = getVariableValues(catalogue.schema, definitions, input.variables);
    const asked = { document: text, variables: input.variables };
    const verdict = { case: `${name} | ${input.name}`, ...asked, accepted: !errors };
    return errors
      ? { ...verdict, errors: errors.map(({ message }) => message) }
      : { ...verdict, coerced: variableValues.coerced };
  });
}

function answer(world, { name, document: text, inputs }) {
  const { document, syntax } = parsed(text);
  if (syntax) throw new Error(`${name}: ${syntax.message}`);
  const errors = broken(world.schema, document);
  if (errors.length > 0) throw new Error(`${name}: ${errors[0].message}`);
  return (inputs.length > 0 ? inputs : [{ variables: {} }]).map((input) => {
    const result = execute({ ...world, document, variableValues: input.variables });
    for (const { originalError } of result.errors ?? []) if (originalError instanceof TypeError) throw originalError;
    const asked = { document: text, variables: input.variables };
    return { case: input.name ? `${name} | ${input.name}` : name, ...asked, answer: result };
  });
}

/** The documents of the standard input: `{"name", "document"}`, one a line. */
function given() {
  const lines = readFileSync(0, "utf8").split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line));
}

/** A document on a schema of its own, over the objects below `root`. */
function answerAlone({ name, document, variables, schema, root }) {
  const world = { schema: buildSchema(schema), rootValue: root };
  return answer(world, { name, document, inputs: [{ variables }] });
}

const kinds = {
  documents: () => [...cases("syntax"), ...cases("rules")].map(judge),
  variables: () => cases("variables").flatMap(coerce),
  catalogue: () => cases("execution/catalogue").flatMap((each) => answer(catalogue, each)),
  theatre: () => cases("execution/theatre").flatMap((each) => answer(theatre, each)),
  "-": () => given().map(judge),
  alone: () => given().flatMap(answerAlone),
  "theatre -": () => given().flatMap(({ name, document, variables }) => answer(theatre, { name, document, inputs: [{ variables }] })),
};
const usual = ["documents", "variables", "catalogue", "theatre"];

const chosen = process.argv.slice(2);
for (const kind of chosen.length > 0 ? chosen : usual) {
  if (!kinds[kind]) throw new Error(`unknown kind "${kind}": ${Object.keys(kinds).join(", ")}`);
  kinds[kind]().forEach(say);
}
