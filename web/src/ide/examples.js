// The tabs that GraphiQL opens with. Each is a .graphql file and, where it has variables, a
// .json file of the same name; the server's tests run all of them on the demo catalogue.

const queries = import.meta.glob('./examples/*.graphql', { query: '?raw', import: 'default', eager: true });
const variables = import.meta.glob('./examples/*.json', { query: '?raw', import: 'default', eager: true });

// Keys come sorted, and the files' names begin with their place.
export const examples = Object.entries(queries).map(([path, query]) => ({
  query,
  variables: variables[path.replace(/graphql$/, 'json')],
}));
