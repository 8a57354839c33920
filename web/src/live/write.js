// The form for a comment on the subject, a reply, or an edit.

import { addComment, editComment } from './api.js';
import { openLogIn } from '../bar.js';
import { isLoggedIn } from '../session.js';
import { authorOf } from './threads.js';

const element = (id) => document.getElementById(id);
const ids = ['home', 'write', 'text', 'refused', 'cancel', 'hint', 'enter'];
const [home, form, text, refused, cancel, hint, enter] = ids.map(element);
const label = form.querySelector('label');

/** The subject of the page: `{ id, title }`, or null for everything. */
let subject = null;
/** The form's action: takes the text, returns the comment. Null for a comment on the subject. */
let task = null;
let written = () => {};

/** Sets the callback that gets each written comment as the API returned it. */
export function onWritten(done) {
  written = done;
}

/** Shows the form to users who may write. */
export function showForm(newSubject = subject) {
  subject = newSubject;
  const canWrite = isLoggedIn() && (task !== null || subject !== null);
  form.hidden = !canWrite;
  cancel.hidden = task === null;
  if (task === null) label.textContent = subject ? `Comment on ${subject.title}` : '';
  enter.hidden = isLoggedIn();
  const isLost = isLoggedIn() && subject === null;
  hint.querySelector('span').textContent = isLost ? 'Find a movie to comment on it, or reply to a comment.' : '';
}

/** Moves the form, with its text, out of an element that is about to be removed. */
export function rescue(leaving) {
  if (leaving.contains(form)) goHome(text.value);
}

function goHome(draft = '') {
  task = null;
  text.value = draft;
  refused.textContent = '';
  home.prepend(form);
  showForm();
}

function work(item, title, value, newTask) {
  if (!isLoggedIn()) return openLogIn();
  task = newTask;
  label.textContent = title;
  text.value = value;
  refused.textContent = '';
  item.querySelector('.body').append(form);
  showForm();
  text.focus();
}

/** Opens the form under a comment, to reply to it. */
export function reply(comment, item) {
  work(item, `Reply to ${authorOf(comment)}`, '', (value) => addComment({ parentId: comment.id, text: value }));
}

/** Opens the form under the user's own comment, to edit it. */
export function edit(comment, item) {
  work(item, 'Edit your comment', comment.text, (value) => editComment({ id: comment.id, text: value }));
}

/** Closes the form and returns the focus to the button that opened it. */
function leave() {
  const body = form.closest('.body');
  goHome();
  body?.querySelector('button:not([hidden])')?.focus();
}

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  refused.textContent = '';
  form.inert = true;
  try {
    const send = task ?? ((value) => addComment({ subjectId: subject.id, text: value }));
    const comment = await send(text.value);
    form.inert = false;
    const isReply = task !== null;
    isReply ? leave() : goHome();
    written(comment);
    if (!isReply) text.focus();
  } catch (error) {
    form.inert = false;
    refused.textContent = error.message;
    text.focus();
  }
});
form.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  if (event.key === 'Escape' && task !== null) leave();
});
cancel.addEventListener('click', leave);
enter.addEventListener('click', openLogIn);
