// The page /live: a movie's newest comments, new ones, edits and deletions. /live?subject=ID opens that movie. Requests are
// in api.js, the list of comments is in threads.js, and the form is in write.js.

import { addTo, deleteComment, find, start } from './api.js';
import { onSession } from '../session.js';
import { Threads, authorOf } from './threads.js';
import { keepTimes } from './when.js';
import { edit, onWritten, reply, rescue, showForm } from './write.js';

const NEWS_MAX = 5;
const element = (id) => document.getElementById(id);
const [state, found, heading, list, none, news] = ['state', 'found', 'subject', 'comments', 'none', 'news'].map(element);
const threads = new Threads(list, element('comment'), { reply, edit, remove, choose, leaving: rescue });

/** Shows the state of the connection: connected, connecting or ended. `text` has details. */
function showState(kind, text = kind) {
  state.dataset.state = kind;
  state.textContent = text;
}

/** Announces a change to screen readers. */
function announce(text) {
  const line = document.createElement('p');
  line.textContent = text;
  news.append(line);
  if (news.children.length > NEWS_MAX) news.firstElementChild.remove();
}

/** Applies an event to the page. */
function applyEvent({ kind, commentId, comment }) {
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
    // The subscription reports the result.
    await deleteComment(comment.id);
  } catch (error) {
    found.replaceChildren(error.message);
  }
}

let stop = () => {};
let turn = 0;
let subject = '';

/** Starts with a subject, or with everything. Replaces the previous subscription. */
async function listen(chosen) {
  const mine = ++turn;
  const current = () => mine === turn;
  const ifCurrent = (act) => (...given) => current() && act(...given);
  subject = chosen;
  stop();
  stop = () => {};
  showState('connecting');
  list.setAttribute('aria-busy', 'true');
  const begin = await start(subject, current, ifCurrent(showState));
  if (!current()) return;
  threads.clear();
  list.removeAttribute('aria-busy');
  if (subject && !begin.subject) {
    heading.textContent = 'No movie or publication has this id';
    showForm(null);
    return showState('ended', 'not listening');
  }
  heading.textContent = begin.subject?.title ?? 'Comments on everything';
  list.classList.toggle('mixed', !subject);
  begin.comments.toReversed().forEach((comment) => threads.add(comment, false));
  none.hidden = !threads.isEmpty;
  showForm(begin.subject);
  stop = addTo(subject, begin.cursor, {
    onEvent: ifCurrent(applyEvent),
    onState: ifCurrent(showState),
    // The client was disconnected too long and missed events. It reloads the list.
    onExpired: ifCurrent(() => listen(subject)),
  });
}

/** Selects a subject and puts it into the page's address. */
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
// The allowed actions depend on the user. The socket reconnects with the new token.
onSession(({ isOther }) => {
  showForm();
  if (isOther) listen(subject);
});
keepTimes(list);
open();
