// The list of comments: newest threads first, replies under what they reply to.

import { showTime } from './when.js';

const SHOWN_MAX = 200;
const find = (id) => document.getElementById(id);

/** The displayed author of a comment. */
export const authorOf = (comment) => comment.author?.username ?? (comment.isDeleted ? 'somebody' : 'a former user');

export class Threads {
  #list;
  #template;
  #actions;

  /**
   * `actions` are the handlers `reply`, `edit`, `remove` and `choose` (which gets the subject's id). `leaving` gets each
   * element before it is removed from the page.
   */
  constructor(list, template, actions) {
    this.#list = list;
    this.#template = template;
    this.#actions = actions;
  }

  get isEmpty() {
    return this.#list.children.length === 0;
  }

  clear() {
    this.#actions.leaving(this.#list);
    this.#list.replaceChildren();
  }

  /** Adds a comment unless it is already shown. Returns whether it was added. */
  add(comment, isFresh) {
    if (!comment || comment.isDeleted || find(comment.id)) return false;
    const item = this.#make(comment, isFresh);
    if (comment.parent) {
      const parent = find(comment.parent.id) ?? this.#top(this.#make(comment.parent, false));
      parent.querySelector('.replies').append(item);
      this.#raise(item);
    } else {
      this.#top(item);
    }
    this.#trim();
    return true;
  }

  /** Applies a change of a comment, which is null if it no longer exists. Returns whether it was on the page. */
  change(id, comment, isEdited) {
    const item = find(id);
    if (!item) return false;
    if (comment) {
      this.#fill(item, comment);
      if (isEdited) item.querySelector('.note').textContent = 'edited';
    } else {
      this.#remove(item);
    }
    return true;
  }

  #top(item) {
    this.#list.prepend(item);
    return item;
  }

  /** Moves the thread of a new reply to the top, unless it has the focus. */
  #raise(item) {
    const thread = item.closest('#comments > li');
    if (thread.previousElementSibling && !thread.contains(document.activeElement)) this.#top(thread);
  }

  #trim() {
    while (this.#list.querySelectorAll('.comment').length > SHOWN_MAX && this.#list.children.length > 1) {
      this.#remove(this.#list.lastElementChild);
    }
  }

  #remove(item) {
    this.#actions.leaving(item);
    item.remove();
  }

  #make(comment, isFresh) {
    const item = this.#template.content.cloneNode(true).firstElementChild;
    item.id = comment.id;
    item.classList.toggle('fresh', isFresh);
    this.#fill(item, comment);
    return item;
  }

  #fill(item, comment) {
    const part = (name) => item.querySelector(`.${name}`);
    const { isDeleted, isHidden, subject, parent } = comment;
    const author = authorOf(comment);
    item.classList.toggle('deleted', isDeleted);
    part('text').textContent = isHidden ? 'Hidden by an editor' : isDeleted ? 'Deleted' : comment.text;
    part('author').textContent = isDeleted ? '' : author;
    part('note').textContent = comment.changedAt && !isDeleted ? 'edited' : '';
    part('answers').textContent = parent ? `in reply to ${authorOf(parent)}` : '';
    showTime(item.querySelector('time'), comment.createdAt);
    const about = part('about');
    about.textContent = subject.title;
    about.href = `?subject=${encodeURIComponent(subject.id)}`;
    about.onclick = (event) => {
      event.preventDefault();
      this.#actions.choose(subject.id);
    };
    const act = (name, whom, allowed, action) => {
      const button = part(name);
      button.hidden = !allowed;
      button.setAttribute('aria-label', `${button.textContent} ${whom}`);
      button.onclick = () => action(comment, item);
    };
    act('reply', `to ${author}`, !isDeleted, this.#actions.reply);
    act('edit', 'your comment', comment.canEdit, this.#actions.edit);
    act('delete', 'your comment', comment.canEdit, this.#actions.remove);
  }
}
