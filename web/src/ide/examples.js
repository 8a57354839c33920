// GraphiQL's initial tabs. Each is a .graphql file. If it has variables, they are in a .json file with
// the same name. The server's tests run all of them on the demo catalogue.

const queries = import.meta.glob('./examples/*.graphql', { query: '?raw', import: 'default', eager: true });
const variables = import.meta.glob('./examples/*.json', { query: '?raw', import: 'default', eager: true });

// Keys are sorted, and the file names begin with the tab's number.
export const examples = Object.entries(queries).map(([path, query]) => ({
  query,
  variables: variables[path.replace(/graphql$/, 'json')],
}));
