// Listens with the recipe of docs/subscriptions.md: node listen.js PROTOCOL URL, where PROTOCOL is ws or
// sse. Prints "connected" for each connection, "cursor" when it has the first one, "closed 4499" when it
// abandons a connection, and each new comment's text.
import { createClient as createSse } from 'graphql-sse';
import { createClient as createWs } from 'graphql-ws';
import WebSocket from 'ws';

import { withPongTimeout, resumable } from '../../web/src/live/resume.js';

const [protocol, url] = process.argv.slice(2);
const patience = {
  retryAttempts: Infinity,
  shouldRetry: () => true,
  // Random, as in the recipe.
  retryWait: () => new Promise((done) => setTimeout(done, 100 + Math.random() * 200)),
};
const connected = () => console.log('connected');
const stock =
  protocol === 'ws'
    ? withPongTimeout(
        createWs({ url: url.replace(/^http/, 'ws'), webSocketImpl: WebSocket, keepAlive: 300, ...patience, on: { connected } }),
        1_000,
      )
    : createSse({ url, retryAttempts: Infinity, retry: patience.retryWait, on: { connected } });
if (protocol === 'ws') stock.on('closed', ({ code }) => code === 4499 && console.log('closed 4499'));
const client = resumable(stock);

const answer = await fetch(url, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ query: '{ commentCursor }' }),
});
const { commentCursor: after } = (await answer.json()).data;
console.log('cursor');

const query = `subscription ($subject: ID, $after: String) {
  commentAdded(subjectId: $subject, after: $after) { cursor comment { text } }
}`;
client.subscribe(
  { query, variables: { after } },
  {
    next: ({ data, errors }) => console.log(errors ? JSON.stringify(errors) : data.commentAdded.comment.text),
    error: (error) => console.log(`error ${error.message ?? JSON.stringify(error)}`),
    complete: () => console.log('complete'),
  },
);
