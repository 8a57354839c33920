// The bar at the top of each page: links to the other pages, the user, and the log-in form.

import { logIn, logOut, onSession } from './session.js';

const LINKS = [
  ['/', './', 'GraphiQL'],
  ['/live', 'live', 'Live'],
  ['/status', 'status', 'Status'],
];

function make(tag, properties = {}, ...children) {
  const { aria = {}, ...others } = properties;
  const element = Object.assign(document.createElement(tag), others);
  Object.entries(aria).forEach(([name, value]) => element.setAttribute(`aria-${name}`, value));
  element.append(...children);
  return element;
}

const here = new URL(location.href);
const isHere = (href) => new URL(href, document.baseURI).pathname === here.pathname;

const nav = make('nav', { aria: { label: 'Pages' } });
const who = make('span', { className: 'who' });
const enter = make('button', { type: 'button', textContent: 'Log in' });
const leave = make('button', { type: 'button', textContent: 'Log out', hidden: true });
const message = make('p', { className: 'message' });
message.setAttribute('role', 'status');

const login = make('input', {
  name: 'login',
  autocomplete: 'username',
  required: true,
  spellcheck: false,
  autocapitalize: 'none',
});
const password = make('input', {
  name: 'password',
  type: 'password',
  autocomplete: 'current-password',
  required: true,
});
const refusal = make('p', { className: 'refusal' });
refusal.setAttribute('role', 'alert');
const demo = make('div', { className: 'demo', hidden: true });
const submit = make('button', { textContent: 'Log in', className: 'main' });
const cancel = make('button', { type: 'button', textContent: 'Cancel' });
const form = make(
  'form',
  {},
  make('h2', { id: 'log-in-title', textContent: 'Log in' }),
  make('label', {}, 'Username or email address', login),
  make('label', {}, 'Password', password),
  refusal,
  make('div', { className: 'buttons' }, submit, cancel),
  demo,
);
const dialog = make('dialog', { className: 'log-in', aria: { labelledby: 'log-in-title' } }, form);

/** Opens the log-in form. */
export function openLogIn() {
  dialog.showModal();
  login.focus();
}

async function enterAs(name, secret) {
  refusal.textContent = '';
  form.inert = true;
  try {
    await logIn(name, secret);
    form.reset();
    dialog.close();
  } catch (error) {
    refusal.textContent = error.message;
  } finally {
    form.inert = false;
  }
  if (dialog.open) password.focus();
}

function offer({ usernames, password: known }) {
  const buttons = usernames.map((name) => {
    const button = make('button', { type: 'button', textContent: name, aria: { label: `Log in as ${name}` } });
    button.addEventListener('click', () => enterAs(name, known));
    return button;
  });
  const secret = make('code', { textContent: known });
  demo.append(
    make('p', {}, 'Or use a demo account. Their password is ', secret, '.'),
    make('div', { className: 'buttons' }, ...buttons),
  );
  demo.hidden = false;
}

async function readSite() {
  const response = await fetch(new URL('site.json', document.baseURI));
  const { pages, demo: accounts } = await response.json();
  const links = LINKS.filter(([page]) => pages.includes(page)).map(([, href, textContent]) => {
    const link = make('a', { href, textContent });
    if (isHere(href)) link.setAttribute('aria-current', 'page');
    return link;
  });
  // GraphiQL shows the schema's documentation.
  if (pages.includes('/')) links.push(make('a', { href: './#docs', textContent: 'Docs' }));
  nav.append(...links);
  if (accounts) offer(accounts);
}

onSession(({ isLoggedIn, user, message: text }) => show(isLoggedIn, user, text));

function show(isLoggedIn, user, text) {
  const role = user?.role && user.role !== 'MEMBER' ? ` (${user.role.toLowerCase()})` : '';
  who.textContent = user ? `${user.username}${role}` : '';
  who.title = user ? `Logged in as ${who.textContent}` : '';
  const hadFocus = [enter, leave].includes(document.activeElement);
  [enter.hidden, leave.hidden] = [isLoggedIn, !isLoggedIn];
  if (hadFocus) (isLoggedIn ? leave : enter).focus();
  message.textContent = text;
}

enter.addEventListener('click', openLogIn);
leave.addEventListener('click', logOut);
cancel.addEventListener('click', () => dialog.close());
dialog.addEventListener('close', () => (refusal.textContent = ''));
form.addEventListener('submit', (event) => {
  event.preventDefault();
  enterAs(login.value.trim(), password.value);
});

document.getElementById('bar').append(
  make('a', { className: 'brand', href: './', textContent: 'Kinoteka' }),
  nav,
  make('div', { className: 'account' }, who, enter, leave),
  message,
);
document.body.append(dialog);
readSite();
