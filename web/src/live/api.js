// The requests of /live: find movies, load the list, subscribe, and write.

import { createClient } from 'graphql-ws';

import { Refused, ask, connectionParams, endpoint, mutate, noticeClosed } from '../session.js';
import { withPongTimeout, resumable } from './resume.js';

const COMMENT = `fragment Shown on Comment {
  id text createdAt changedAt isDeleted isHidden canEdit author { username }
  subject { ... on Movie { id title } ... on Publication { id title } }
  parent { id isDeleted author { username } }
}`;
// The cursor is read with the list: the subscription reports what the list does not show yet.
const START = `query Start($subject: ID, $id: ID!, $one: Boolean!) {
  commentCursor
  node(id: $id) @include(if: $one) { ... on Movie { id title } ... on Publication { id title } }
  comments(subjectId: $subject, first: 40) { nodes { ...Shown parent { ...Shown } } }
} ${COMMENT}`;
const EVENTS = `subscription Events($subject: ID, $after: String) {
  commentEvents(subjectId: $subject, after: $after) { cursor kind commentId comment { ...Shown parent { ...Shown } } }
} ${COMMENT}`;
const BY_TITLE = 'query Find($title: String!) { movies(filter: { title: $title }, first: 10) { nodes { id title year } } }';
const BY_ID = 'query Find($id: ID!) { movie(id: $id) { id title year } }';
const ADD = `mutation Add($input: AddCommentInput!) {
  addComment(input: $input) { comment { ...Shown parent { ...Shown } } errors { message } }
} ${COMMENT}`;
const EDIT = `mutation Edit($input: EditCommentInput!) {
  editComment(input: $input) { comment { ...Shown } errors { message } }
} ${COMMENT}`;
const DELETE = `mutation Delete($input: DeleteCommentInput!) {
  deleteComment(input: $input) { deletedId errors { message } }
}`;

/** Keys of changes without a response, by what they change. */
const keys = new Map();

/** Makes a change once, though it is sent again after its response was lost. */
async function once(query, input) {
  const change = JSON.stringify([query, input]);
  // `crypto.randomUUID` needs HTTPS.
  const key = keys.get(change) ?? crypto.getRandomValues(new Uint32Array(4)).join('-');
  keys.set(change, key);
  try {
    const payload = await mutate(query, input, { 'idempotency-key': key });
    keys.delete(change);
    return payload;
  } catch (error) {
    // The server repeats a refusal under its key, even if the change is possible by then.
    if (error instanceof Refused) keys.delete(change);
    throw error;
  }
}

const pause = () => new Promise((done) => setTimeout(done, 300 + Math.random() * 1_000));

const stock = createClient({
  url: endpoint.replace(/^http/, 'ws'),
  connectionParams,
  keepAlive: 15_000,
  retryAttempts: Infinity,
  shouldRetry: () => true,
  // Random, so that clients do not reconnect simultaneously when a server returns.
  retryWait: pause,
  on: { closed: noticeClosed },
});
const client = resumable(withPongTimeout(stock, 5_000));

export const addComment = async (input) => (await once(ADD, input)).comment;
export const editComment = async (input) => (await once(EDIT, input)).comment;
export const deleteComment = (id) => once(DELETE, { id });

/** Movies by a part of their title, or by their id. */
export async function find(wanted) {
  const { movies } = await ask(BY_TITLE, { title: wanted });
  if (movies.nodes.length) return movies.nodes;
  try {
    const { movie } = await ask(BY_ID, { id: wanted });
    return movie ? [movie] : [];
  } catch (error) {
    // The text is not a valid id.
    if (error.code === 'BAD_USER_INPUT') return [];
    throw error;
  }
}

/**
 * The newest comments of a subject, or of everything if it is empty, and the cursor for the subscription. Retries while
 * `current` returns true.
 */
export async function start(subject, current, tell) {
  while (current()) {
    try {
      const variables = { subject: subject || null, id: subject, one: subject !== '' };
      const { commentCursor: cursor, node, comments } = await ask(START, variables);
      return { cursor, subject: node ?? null, comments: comments.nodes };
    } catch (error) {
      if (error.code === 'BAD_USER_INPUT') return { subject: null };
      tell('connecting', error.message);
      await pause();
    }
  }
}

/** Subscribes to events after a cursor. Returns a function that ends the subscription. */
export function addTo(subject, after, { onEvent, onState, onExpired }) {
  const listeners = [
    stock.on('connected', () => onState('connected')),
    stock.on('closed', ({ code }) => code === 1000 || onState('connecting', 'reconnecting')),
  ];
  let failed = null;
  const end = client.subscribe(
    { query: EVENTS, variables: { subject: subject || null, after } },
    {
      next: ({ data, errors }) => {
        const event = data?.commentEvents;
        // Reconnects once to get the event again. If it fails again, it is skipped.
        if (errors && event?.cursor !== failed) {
          failed = event?.cursor;
          return stock.terminate();
        }
        if (event) onEvent(event);
      },
      error: (errors) => {
        const codes = Array.isArray(errors) ? errors.map((error) => error.extensions?.code) : [];
        if (codes.includes('CURSOR_EXPIRED')) return onExpired();
        onState('ended', errors[0]?.message ?? errors.reason ?? 'the connection was refused');
      },
      complete: () => onState('ended'),
    },
  );
  return () => {
    listeners.forEach((unlisten) => unlisten());
    end();
  };
}
