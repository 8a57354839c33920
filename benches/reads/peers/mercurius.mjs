// Mercurius with JIT and loaders, set up as in its documentation: each loader issues one prepared
// statement for all objects of a level, and reads related rows with joins.
//
// PEER_JIT=0 disables the JIT. PEER_STYLE=lookups uses one statement per table instead of joins.
// PEER_DRIVER=postgres uses the driver postgres instead of pg.
import { GraphQLError } from "graphql";
import Fastify from "fastify";
import mercurius from "mercurius";
import { cluster } from "./cluster.mjs";
import { joins, lookups } from "./mercurius-loaders.mjs";
import { open } from "./mercurius-database.mjs";

const schema = `
  type Query {
    movie(id: Int!): Movie
    movies(first: Int! = 20, after: Int): MovieConnection!
  }
  type Movie {
    id: Int!
    title: String!
    originalTitle: String
    year: Int
    country: String
    rating: Int
    durationMinutes: Int!
    staff(first: Int! = 20): StaffMemberConnection!
    awards(first: Int! = 20): MovieAwardConnection!
    availability(first: Int! = 20): AvailabilityConnection!
    comments(first: Int! = 20): CommentConnection!
  }
  type MovieConnection { nodes: [Movie!]! }
  type StaffMemberConnection { nodes: [StaffMember!]! }
  type MovieAwardConnection { nodes: [MovieAward!]! }
  type AvailabilityConnection { nodes: [Availability!]! }
  type CommentConnection { nodes: [Comment!]! }
  type StaffMember { character: String isLead: Boolean! person: Person! position: PersonPosition! }
  type Person { id: Int! firstName: String! lastName: String! }
  type PersonPosition { title: String! }
  type MovieAward { award: FilmAward! nomination: FilmAwardNomination! }
  type FilmAward { title: String! }
  type FilmAwardNomination { title: String! }
  type Availability { price: String! discountPercent: Int! cinema: Cinema! }
  type Cinema { title: String! }
  type Comment { id: Int! text: String! createdAt: String! author: User }
  type User { id: Int! username: String! fullName: String! }
`;

const MOVIE = `id, title, title_original AS "originalTitle", year, country, rating, duration AS "durationMinutes"`;

await cluster(async ({ database, connections }) => {
  const query = open(process.env.PEER_DRIVER ?? "pg", database, connections);
  const resolvers = {
    Query: {
      async movie(_, { id }) {
        const rows = await query("movie", `SELECT ${MOVIE} FROM movies WHERE id = $1`, [id]);
        return rows[0];
      },
      async movies(_, { first, after }) {
        if (first < 0 || first > 100) throw new GraphQLError("first: 0 to 100");
        const nodes = await (after == null
          ? query("movies", `SELECT ${MOVIE} FROM movies ORDER BY id DESC LIMIT $1`, [first])
          : query("movies_after", `SELECT ${MOVIE} FROM movies WHERE id < $2 ORDER BY id DESC LIMIT $1`, [first, after]));
        return { nodes };
      },
    },
  };
  const loaders = (process.env.PEER_STYLE === "lookups" ? lookups : joins)(query);
  const jit = Number(process.env.PEER_JIT ?? 1);
  const app = Fastify({ logger: false });
  await app.register(mercurius, { schema, resolvers, loaders, jit, graphiql: false });
  await app.ready();
  return app.server;
});
