// The page /live: a movie's newest comments, those that come, and what happens to them. /live?subject=ID begins with that
// movie. What is said to the server is in api.js.

import { addTo, find, start } from './api.js';

const COMMENTS_MAX = 200;
const element = (id) => document.getElementById(id);
const [state, found, heading, list, none] = ['state', 'found', 'subject', 'comments', 'none'].map(element);

/** Shows how the connection is: connected, connecting or ended; `text` says more. */
function tell(kind, text = kind) {
  state.dataset.state = kind;
  state.textContent = text;
}

/** Writes what an entry says of a comment, as it is now. */
function fill(item, comment) {
  const part = (name) => item.querySelector(name);
  item.classList.toggle('deleted', comment.isDeleted);
  part('.text').textContent = comment.isDeleted ? 'Deleted' : comment.text;
  part('.author').textContent = comment.isDeleted ? '' : (comment.author?.username ?? 'somebody');
  part('time').textContent = new Date(comment.createdAt).toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' });
  part('time').dateTime = comment.createdAt;
  part('.about').textContent = comment.subject?.title ?? '';
}

/** Shows a comment on top, once. */
function show(comment, fresh) {
  if (!comment || comment.isDeleted || document.getElementById(comment.id)) {
    return;
  }
  const item = element('comment').content.cloneNode(true).firstElementChild;
  item.id = comment.id;
  item.classList.toggle('fresh', fresh);
  fill(item, comment);
  list.prepend(item);
  if (list.children.length > COMMENTS_MAX) {
    list.lastElementChild.remove();
  }
  none.hidden = true;
}

/** Shows what happened to a comment. One that is not in the list is not on the page. */
function happened({ kind, commentId, comment }) {
  if (kind === 'ADDED') return show(comment, true);
  const item = document.getElementById(commentId);
  if (!item) return;
  // A deleted comment with replies is still there, without its text.
  if (!comment) {
    item.remove();
    none.hidden = list.children.length > 0;
    return;
  }
  fill(item, comment);
  item.querySelector('.note').textContent = comment.isDeleted ? '' : 'edited';
}

let stop = () => {};
let turn = 0;

/** Begins anew with a subject, or with everything; whatever was begun before is over. */
async function listen(subject) {
  const mine = ++turn;
  const current = () => mine === turn;
  const ifCurrent = (act) => (...given) => current() && act(...given);
  stop();
  tell('connecting');
  list.setAttribute('aria-busy', 'true');
  const begin = await start(subject, current, ifCurrent(tell));
  if (!current()) return;
  if (subject && !begin.subject) {
    heading.textContent = 'Nothing has this id';
    list.replaceChildren();
    return tell('ended', 'not listening');
  }
  heading.textContent = begin.subject?.title ?? 'Comments on everything';
  list.classList.toggle('mixed', !subject);
  list.replaceChildren();
  none.hidden = false;
  begin.comments.toReversed().forEach((comment) => show(comment, false));
  list.removeAttribute('aria-busy');
  stop = addTo(subject, begin.cursor, {
    happened: ifCurrent(happened),
    state: ifCurrent(tell),
    // It was away for too long, and what it missed is gone: the list is loaded anew.
    expired: ifCurrent(() => listen(subject)),
  });
}

/** Chooses a subject, so that a link to it can be kept. */
function choose(subject) {
  found.replaceChildren();
  const url = new URL(location.href);
  subject ? url.searchParams.set('subject', subject) : url.searchParams.delete('subject');
  history.pushState(null, '', url);
  heading.focus();
  listen(subject);
}

function open() {
  listen(new URLSearchParams(location.search).get('subject') ?? '');
}

element('search').addEventListener('submit', async (event) => {
  event.preventDefault();
  const wanted = element('wanted').value.trim();
  if (!wanted) return;
  try {
    const movies = await find(wanted);
    if (movies.length === 1) return choose(movies[0].id);
    const choices = movies.map(({ id, title, year }) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = year ? `${title} (${year})` : title;
      button.addEventListener('click', () => choose(id));
      return button;
    });
    found.replaceChildren(choices.length ? 'Which one? ' : 'No movie has this title or id.', ...choices);
  } catch (error) {
    found.replaceChildren(error.message);
  }
});
element('all').addEventListener('click', () => choose(''));
addEventListener('popstate', open);
open();
