// The page /live: a movie's newest comments, and those that come. /live?subject=ID begins with that movie.

import { createClient } from 'graphql-ws';

import { resuming } from './resume.js';

const COMMENT = 'id text createdAt isDeleted author { username }';
const MOVIES = '{ movies(first: 100) { nodes { id title } } }';
// The cursor comes with the list: what is added meanwhile is in the list, or comes, or both.
const START = `query ($subject: ID!, $one: Boolean!) {
  commentCursor
  movie(id: $subject) @include(if: $one) { title comments(first: 20) { nodes { ${COMMENT} } } }
}`;
const ADDED = `subscription ($subject: ID, $after: String) {
  commentAdded(subjectId: $subject, after: $after) { cursor comment { ${COMMENT} } }
}`;
const SHOWN_MAX = 200;

const url = new URL('graphql', document.baseURI);
const [select, list, state] = ['subject', 'comments', 'state'].map((id) => document.getElementById(id));

const retryWait = () => new Promise((done) => setTimeout(done, 300 + Math.random() * 1_000));
const client = resuming(
  createClient({
    url: url.href.replace(/^http/, 'ws'),
    lazy: true,
    keepAlive: 15_000,
    retryAttempts: Infinity,
    shouldRetry: () => true,
    retryWait,
    on: {
      connected: () => tell('connected'),
      closed: () => tell('reconnecting'),
    },
  }),
);

function tell(text) {
  state.textContent = text;
}

async function ask(query, variables) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  if (errors) {
    throw new Error(errors[0].message);
  }
  return data;
}

/** Shows a comment on top, once. */
function show(comment) {
  if (!comment || comment.isDeleted || document.getElementById(comment.id)) {
    return;
  }
  const item = document.createElement('li');
  item.id = comment.id;
  const [text, about] = [document.createElement('p'), document.createElement('p')];
  text.textContent = comment.text;
  about.textContent = `${comment.author?.username ?? 'somebody'}, ${new Date(comment.createdAt).toLocaleString()}`;
  item.append(text, about);
  list.prepend(item);
  if (list.children.length > SHOWN_MAX) {
    list.lastElementChild.remove();
  }
}

let stop = () => {};
let turn = 0;

/** Begins anew with a subject; whatever was begun before is over. */
async function listen(subject) {
  const mine = ++turn;
  const current = () => mine === turn;
  stop();
  tell('connecting');
  let start;
  while (!start) {
    try {
      start = await ask(START, { subject, one: subject !== '' });
    } catch (error) {
      if (!current()) return;
      tell(error.message);
      await retryWait();
    }
    if (!current()) return;
  }
  list.replaceChildren();
  start.movie?.comments.nodes.toReversed().forEach(show);
  const end = (text) => current() && tell(text);
  stop = client.subscribe(
    { query: ADDED, variables: { subject: subject || null, after: start.commentCursor } },
    {
      next: ({ data }) => show(data?.commentAdded?.comment),
      error: (errors) => {
        const expired = Array.isArray(errors) && errors.some((error) => error.extensions?.code === 'CURSOR_EXPIRED');
        expired && current() ? listen(subject) : end(errors[0]?.message ?? 'the connection was refused');
      },
      complete: () => end('ended'),
    },
  );
}

select.addEventListener('change', () => listen(select.value));

const wanted = new URLSearchParams(location.search).get('subject') ?? '';
listen(wanted);
const { movies } = await ask(MOVIES);
select.append(...movies.nodes.map(({ id, title }) => new Option(title, id)));
if (wanted && !movies.nodes.some(({ id }) => id === wanted)) {
  select.append(new Option('this one', wanted));
}
select.value = wanted;
