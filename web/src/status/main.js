// The page /status: how the cluster, the servers and the database are, for admins. /status#NODE shows one node.
// It asks /status.json every 2 s; what it is like over time is in history.js.

import '../bar.js';
import { openLogIn } from '../bar.js';
import { PATIENCE_MS, fetchSignedIn, isLoggedIn, onSession } from '../session.js';
import { make, morph } from './dom.js';
import { forget, remember, rememberSilence } from './history.js';
import { draw, redraw } from './plots.js';
import { details, node, overview, symptoms } from './views.js';

const PAUSE_MS = 2_000;
const element = (id) => document.getElementById(id);
const [state, gate, enter, shown] = ['state', 'gate', 'enter', 'shown'].map(element);
const url = new URL('status.json', document.baseURI);
const command = make('code', { textContent: 'kinoteka role grant USER admin' });

let seen = null;
let timer;
let turn = 0;

/** Shows how things are: good, waiting or bad. Said aloud only when it changes. */
function tell(kind, text) {
  state.dataset.state = kind;
  if (state.textContent !== text) state.textContent = text;
}

/** Shows why there is nothing to see. */
function close(text, mayEnter) {
  seen = null;
  forget();
  shown.hidden = true;
  gate.hidden = false;
  gate.firstElementChild.replaceChildren(...[text].flat());
  enter.hidden = !mayEnter;
  tell('waiting', 'not shown');
}

const wanted = () => {
  try {
    return decodeURIComponent(location.hash.slice(1)) || null;
  } catch {
    return null;
  }
};

function show() {
  const name = wanted();
  [gate.hidden, shown.hidden] = [true, false];
  morph(element('symptoms'), symptoms(seen, name));
  morph(element('view'), name ? node(seen, name) : overview(seen));
  draw(name);
  element('more').hidden = name !== null;
  if (!name) morph(element('more'), details(seen));
  const count = seen.symptoms.length + seen.sources.filter(({ trouble }) => trouble).length;
  const worst = seen.symptoms.some(({ severity }) => severity === 'critical') ? 'bad' : 'waiting';
  const text = count === 1 ? '1 thing is wrong' : `${count} things are wrong`;
  tell(seen.isWell ? 'good' : worst, seen.isWell ? 'all is well' : text);
  document.title = `${seen.isWell ? '' : `(${count}) `}Kinoteka: status`;
}

async function look() {
  let response;
  try {
    response = await fetchSignedIn(url, { signal: AbortSignal.timeout(PATIENCE_MS) });
    if (response.ok) return await response.json();
  } catch {
    throw new Error('the server does not answer');
  }
  const { errors } = await response.json().catch(() => ({}));
  throw Object.assign(new Error(errors?.[0]?.message ?? `the server answers ${response.status}`), { status: response.status });
}

/** Looks again and again, until another turn begins. */
async function poll(mine) {
  if (!isLoggedIn()) return;
  try {
    const document = await look();
    if (mine !== turn) return;
    seen = document;
    remember(seen);
    show();
  } catch (error) {
    if (mine !== turn || error.status === 401) return;
    if (error.status === 403) return close(['This page is for admins, and you are not one. ', command, ' makes one.'], false);
    rememberSilence();
    tell('bad', error.message);
    if (!seen) gate.firstElementChild.textContent = `There is nothing to show yet: ${error.message}.`;
  }
  timer = setTimeout(poll, PAUSE_MS, mine);
}

function begin() {
  clearTimeout(timer);
  const mine = ++turn;
  if (!isLoggedIn()) return close('This page is for admins. Log in as one.', true);
  tell('waiting', 'connecting');
  enter.hidden = true;
  gate.firstElementChild.textContent = '';
  poll(mine);
}

onSession(({ isOther }) => isOther && begin());
enter.addEventListener('click', openLogIn);
addEventListener('hashchange', () => {
  if (!seen) return;
  show();
  redraw(wanted());
  (element('node-title') ?? document.querySelector('h1')).focus();
});
addEventListener('resize', () => seen && redraw(wanted()));
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => seen && redraw(wanted()));
begin();
