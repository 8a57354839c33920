// The page /live: a movie's newest comments, those that come, and what happens to them. /live?subject=ID begins with that
// movie. What is said to the server is in api.js, how comments look in threads.js, how they are written in write.js.

import { addTo, deleteComment, find, start } from './api.js';
import { onSession } from '../session.js';
import { Threads, authorOf } from './threads.js';
import { keepTimes } from './when.js';
import { edit, onWritten, reply, rescue, showForm } from './write.js';

const NEWS_MAX = 5;
const element = (id) => document.getElementById(id);
const [state, found, heading, list, none, news] = ['state', 'found', 'subject', 'comments', 'none', 'news'].map(element);
const threads = new Threads(list, element('comment'), { reply, edit, remove, choose, leaving: rescue });

/** Shows how the connection is: connected, connecting or ended; `text` says more. */
function tell(kind, text = kind) {
  state.dataset.state = kind;
  state.textContent = text;
}

/** Says what has happened to those who cannot see it. */
function announce(text) {
  const line = document.createElement('p');
  line.textContent = text;
  news.append(line);
  if (news.children.length > NEWS_MAX) news.firstElementChild.remove();
}

/** Shows what happened to a comment, as far as it is on the page. */
function happened({ kind, commentId, comment }) {
  if (kind === 'ADDED') {
    if (threads.add(comment, true)) announce(`${authorOf(comment)} on ${comment.subject.title}: ${comment.text}`);
  } else if (threads.change(commentId, comment, kind === 'EDITED' && !comment?.isDeleted)) {
    const isGone = !comment || comment.isDeleted;
    announce(isGone ? 'A comment was deleted.' : `${authorOf(comment)} edited a comment: ${comment.text}`);
  }
  none.hidden = !threads.isEmpty;
}

async function remove(comment) {
  if (!confirm('Delete this comment?')) return;
  try {
    // The subscription tells what is left of it.
    await deleteComment(comment.id);
  } catch (error) {
    found.replaceChildren(error.message);
  }
}

let stop = () => {};
let turn = 0;
let subject = '';

/** Begins anew with a subject, or with everything; whatever was begun before is over. */
async function listen(chosen) {
  const mine = ++turn;
  const current = () => mine === turn;
  const ifCurrent = (act) => (...given) => current() && act(...given);
  subject = chosen;
  stop();
  stop = () => {};
  tell('connecting');
  list.setAttribute('aria-busy', 'true');
  const begin = await start(subject, current, ifCurrent(tell));
  if (!current()) return;
  threads.clear();
  list.removeAttribute('aria-busy');
  if (subject && !begin.subject) {
    heading.textContent = 'Nothing has this id';
    showForm(null);
    return tell('ended', 'not listening');
  }
  heading.textContent = begin.subject?.title ?? 'Comments on everything';
  list.classList.toggle('mixed', !subject);
  begin.comments.toReversed().forEach((comment) => threads.add(comment, false));
  none.hidden = !threads.isEmpty;
  showForm(begin.subject);
  stop = addTo(subject, begin.cursor, {
    happened: ifCurrent(happened),
    state: ifCurrent(tell),
    // It was away for too long, and what it missed is gone: the list is loaded anew.
    expired: ifCurrent(() => listen(subject)),
  });
}

/** Chooses a subject, so that a link to it can be kept. */
function choose(chosen) {
  found.replaceChildren();
  const url = new URL(location.href);
  chosen ? url.searchParams.set('subject', chosen) : url.searchParams.delete('subject');
  history.pushState(null, '', url);
  heading.focus();
  listen(chosen);
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
onWritten((comment) => threads.change(comment.id, comment) || threads.add(comment, true));
// What one may do with a comment depends on who one is; the socket connects anew with the new token.
onSession(({ isOther }) => {
  showForm();
  if (isOther) listen(subject);
});
keepTimes(list);
open();
