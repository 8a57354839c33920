/**
 * Makes a client of graphql-ws or graphql-sse resume: when it reconnects, each of its subscriptions
 * continues after the last `cursor` that it delivered. The subscription must have a variable `after` and
 * select `cursor`.
 */
export function resumable(client) {
  return {
    ...client,
    subscribe(payload, sink) {
      let seen = payload.variables?.after;
      // The client serializes its payload for each connection, and calls this getter.
      const variables = {
        ...payload.variables,
        get after() {
          return seen;
        },
      };
      const next = (result) => {
        sink.next(result);
        // A failed event is sent again after a reconnection.
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
 * Makes a client of graphql-ws with the option `keepAlive` detect a lost server or network: if a ping gets
 * no pong within `patience` milliseconds, the client reconnects.
 */
export function withPongTimeout(client, patience) {
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
