// PostGraphile 5, set up as in its documentation and tuned for reads: no transaction per request (no
// pgSettings), prepared statements, no GraphiQL, no live queries, no mutations.
import { createServer } from "node:http";
import { grafserv } from "postgraphile/grafserv/node";
import { makePgService } from "postgraphile/adaptors/pg";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";
import { postgraphile } from "postgraphile";
import { cluster } from "./cluster.mjs";

await cluster(async ({ database, connections }) => {
  const preset = {
    extends: [PostGraphileAmberPreset],
    pgServices: [makePgService({ connectionString: database, schemas: ["public"], poolConfig: { max: connections } })],
    grafserv: { graphqlPath: "/graphql", graphiql: false, websockets: false, watch: false, dangerouslyAllowAllCORSRequests: false },
    grafast: { explain: false },
    schema: { defaultBehavior: "-insert -update -delete" },
  };
  const server = createServer();
  await postgraphile(preset).createServ(grafserv).addTo(server);
  return server;
});
