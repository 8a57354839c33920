/**
 * Makes a client of graphql-ws or graphql-sse resume: whenever it connects again by itself, each of its
 * subscriptions goes on behind the last `cursor` that it has passed on. The subscription has a
 * variable `after` and selects `cursor`.
 */
export function resuming(client) {
  return {
    ...client,
    subscribe(payload, sink) {
      let seen = payload.variables?.after;
      // The client writes its payload anew for each connection, and reads this then.
      const variables = {
        ...payload.variables,
        get after() {
          return seen;
        },
      };
      const next = (result) => {
        sink.next(result);
        // What could not be shown comes again when it connects anew.
        if (result.errors) return;
        for (const event of Object.values(result.data ?? {})) {
          seen = event?.cursor ?? seen;
        }
      };
      return client.subscribe({ ...payload, variables }, { ...sink, next });
    },
  };
}

/**
 * Makes a client of graphql-ws, with its option `keepAlive`, notice a server or a network that has gone
 * without a word: when a ping is not answered within `patience` milliseconds it connects again.
 */
export function noticing(client, patience) {
  let timer;
  client.on('ping', (received) => {
    if (!received) timer = setTimeout(() => client.terminate(), patience);
  });
  client.on('pong', (received) => {
    if (received) clearTimeout(timer);
  });
  client.on('closed', () => clearTimeout(timer));
  return client;
}
