// Exports a part of the demo catalogue from a server: node export.mjs http://127.0.0.1:8000/graphql
import { writeFileSync } from "node:fs";

const USER = "__typename id username fullName joinedAt bio";
const RATING = "userRating { average count histogram }";
const COMMENT = `__typename id text createdAt changedAt isDeleted isHidden canEdit depth replyCount author { ${USER} }`;
const PERSON = "__typename id firstName lastName midName country birthday bio";
const CINEMA = "__typename id title url";
const MOVIE = `__typename id isbn title originalTitle country year budget boxOffice rating durationMinutes ageRating tags plot
  viewerRating ${RATING}`;
const DOCUMENT = `{
  viewer { id }
  movies(first: 6) { totalCount nodes { ${MOVIE}
    staff(first: 15) { totalCount nodes { __typename id character isLead
      person { ${PERSON} } position { __typename id title } movie { __typename id } } }
    awards(first: 5) { totalCount nodes { __typename id award { __typename id title description }
      nomination { __typename id title description } person { ${PERSON} } movie { __typename id } } }
    availability(first: 10) { totalCount nodes { __typename id price discountPercent rating viewCount updatedAt studentPrice
      cinema { ${CINEMA} } movie { __typename id } } }
    comments(first: 10) { totalCount nodes { ${COMMENT} subject { ... on Node { id } __typename } parent { id }
      replies(first: 5) { totalCount nodes { ${COMMENT} subject { ... on Node { id } __typename } parent { __typename id } } } } } } }
  persons(first: 3) { totalCount nodes { ${PERSON} } }
  publications(first: 2) { totalCount nodes { __typename id title createdAt changedAt text tags canEdit viewerRating ${RATING}
    category { __typename id title } author { ${USER} } } }
  cinemas { totalCount nodes { ${CINEMA} } }
  personPositions { totalCount nodes { __typename id title } }
}`;

const response = await fetch(process.argv[2], {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ query: DOCUMENT }),
});
const { data, errors } = await response.json();
if (errors) throw new Error(JSON.stringify(errors));

const objects = {};
/** Moves what has an id to `objects` and leaves the id in its place. */
function flatten(value) {
  if (Array.isArray(value)) return value.map(flatten);
  if (value === null || typeof value !== "object") return value;
  const flat = Object.fromEntries(Object.entries(value).map(([key, each]) => [key, flatten(each)]));
  if (!flat.id) return flat;
  objects[flat.id] = { ...objects[flat.id], ...flat };
  return flat.id;
}
const root = flatten(data);
writeFileSync(new URL("execution/catalogue.json", import.meta.url), JSON.stringify({ root, objects }, null, 1) + "\n");
