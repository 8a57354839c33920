// What /live says to the server: it looks for movies, loads the list, and listens.

import { createClient } from 'graphql-ws';

import { noticing, resuming } from './resume.js';

const COMMENT = `fragment Shown on Comment {
  id text createdAt isDeleted author { username } subject { ... on Movie { title } ... on Publication { title } }
}`;
// The cursor comes with the list: what happens meanwhile is in the list, or comes, or both.
const START = `query Start($subject: ID!, $one: Boolean!) {
  commentCursor
  node(id: $subject) @include(if: $one) {
    ... on Movie { title comments(first: 20) { nodes { ...Shown } } }
    ... on Publication { title comments(first: 20) { nodes { ...Shown } } }
  }
} ${COMMENT}`;
const EVENTS = `subscription Events($subject: ID, $after: String) {
  commentEvents(subjectId: $subject, after: $after) { cursor kind commentId comment { ...Shown } }
} ${COMMENT}`;
const BY_TITLE = 'query Find($title: String!) { movies(filter: { title: $title }, first: 10) { nodes { id title year } } }';
const BY_ID = 'query Find($id: ID!) { movie(id: $id) { id title year } }';

const url = new URL('graphql', document.baseURI);
const pause = () => new Promise((done) => setTimeout(done, 300 + Math.random() * 1_000));

const stock = createClient({
  url: url.href.replace(/^http/, 'ws'),
  keepAlive: 15_000,
  retryAttempts: Infinity,
  shouldRetry: () => true,
  // Not all at once when a server comes back.
  retryWait: pause,
});
const client = resuming(noticing(stock, 5_000));

async function ask(query, variables) {
  let response;
  try {
    const body = JSON.stringify({ query, variables });
    response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  } catch {
    throw new Error('the server does not answer');
  }
  const { data, errors } = await response.json();
  if (errors) {
    throw Object.assign(new Error(errors[0].message), { code: errors[0].extensions?.code });
  }
  return data;
}

/** Movies by a part of their title, or by their id. */
export async function find(wanted) {
  const { movies } = await ask(BY_TITLE, { title: wanted });
  if (movies.nodes.length) return movies.nodes;
  try {
    const { movie } = await ask(BY_ID, { id: wanted });
    return movie ? [movie] : [];
  } catch (error) {
    // Whatever was meant, it was no id.
    if (error.code === 'BAD_USER_INPUT') return [];
    throw error;
  }
}

/** The newest comments of a subject, and the cursor from where to go on; asks as long as `current` wants it. */
export async function start(subject, current, tell) {
  while (current()) {
    try {
      const { commentCursor: cursor, node } = await ask(START, { subject, one: subject !== '' });
      return { cursor, subject: node, comments: node?.comments.nodes ?? [] };
    } catch (error) {
      if (error.code === 'BAD_USER_INPUT') return { subject: null };
      tell('connecting', error.message);
      await pause();
    }
  }
}

/** Listens behind a cursor; gives back what ends it. */
export function addTo(subject, after, { happened, state, expired }) {
  const deaf = [
    stock.on('connected', () => state('connected')),
    stock.on('closed', ({ code }) => code === 1000 || state('connecting', 'reconnecting')),
  ];
  let failed = null;
  const end = client.subscribe(
    { query: EVENTS, variables: { subject: subject || null, after } },
    {
      next: ({ data, errors }) => {
        const event = data?.commentEvents;
        // Connects anew for it, once; what fails again is left out.
        if (errors && event?.cursor !== failed) {
          failed = event?.cursor;
          return stock.terminate();
        }
        if (event) happened(event);
      },
      error: (errors) => {
        const codes = Array.isArray(errors) ? errors.map((error) => error.extensions?.code) : [];
        if (codes.includes('CURSOR_EXPIRED')) return expired();
        state('ended', errors[0]?.message ?? errors.reason ?? 'the connection was refused');
      },
      complete: () => state('ended'),
    },
  );
  return () => {
    deaf.forEach((forget) => forget());
    end();
  };
}
