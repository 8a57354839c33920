// The page /status for admins: the state of the cluster, the servers and the database. /status#NODE shows one node.
// It requests /status.json every 2 s. history.js keeps the history.

import '../bar.js';
import { openLogIn } from '../bar.js';
import { fetchSignedIn, isLoggedIn, onSession } from '../session.js';
import { morph } from './dom.js';
import { forget, remember, rememberGap } from './history.js';
import { draw, redraw } from './plots.js';
import { details, node, overview, symptoms } from './views.js';

const PAUSE_MS = 2_000;
const element = (id) => document.getElementById(id);
const [state, gate, enter, shown] = ['state', 'gate', 'enter', 'shown'].map(element);
const url = new URL('status.json', document.baseURI);

let seen = null;
let timer;
let turn = 0;

/** Shows the overall state: good, waiting or bad. Screen readers announce only changes. */
function showState(kind, text) {
  state.dataset.state = kind;
  if (state.textContent !== text) state.textContent = text;
}

/** Hides the status and shows the reason. */
function close(text, mayEnter) {
  seen = null;
  forget();
  shown.hidden = true;
  gate.hidden = false;
  gate.firstElementChild.textContent = text;
  enter.hidden = !mayEnter;
  showState('waiting', 'not shown');
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
  const text = count === 1 ? '1 problem' : `${count} problems`;
  showState(seen.isWell ? 'good' : worst, seen.isWell ? 'healthy' : text);
  document.title = `${seen.isWell ? '' : `(${count}) `}Kinoteka: status`;
}

async function look() {
  let response;
  try {
    response = await fetchSignedIn(url, { signal: AbortSignal.timeout(15_000) });
    if (response.ok) return await response.json();
  } catch {
    throw new Error('the server does not respond');
  }
  const { errors } = await response.json().catch(() => ({}));
  throw Object.assign(new Error(errors?.[0]?.message ?? `the server returned ${response.status}`), { status: response.status });
}

/** Polls until another turn begins. */
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
    if (error.status === 403) return close('This page is only for admins. `kinoteka role grant USER admin` makes a user an admin.', false);
    rememberGap();
    showState('bad', error.message);
    if (!seen) gate.firstElementChild.textContent = `No status yet: ${error.message}.`;
  }
  timer = setTimeout(poll, PAUSE_MS, mine);
}

function begin() {
  clearTimeout(timer);
  const mine = ++turn;
  if (!isLoggedIn()) return close('This page is for admins. Log in as an admin.', true);
  showState('waiting', 'connecting');
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
