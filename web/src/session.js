// The session, shared by all pages. The token is stored in this browser tab until it is closed, and sent with each request
// and socket.

const KEY = 'kinoteka.token';
const VIEWER = '{ viewer { username role } }';
const LOG_IN = `mutation LogIn($input: LogInInput!) {
  logIn(input: $input) { token user { username role } errors { message } }
}`;
const LOG_OUT = 'mutation LogOut { logOut { endedSessions } }';

/** The address of the API, relative to the page. */
export const endpoint = new URL('graphql', document.baseURI).href;

/** How long a page waits for a response. */
export const PATIENCE_MS = 15_000;

const listeners = new Set();
let token = sessionStorage.getItem(KEY);
let user = null;
/** Whether a socket's token was refused. The token is then checked before it is sent again. */
let doubtful = false;

function change(newToken, newUser, message = '') {
  const isOther = newToken !== token;
  [token, user, doubtful] = [newToken, newUser, false];
  token === null ? sessionStorage.removeItem(KEY) : sessionStorage.setItem(KEY, token);
  listeners.forEach((listener) => listener({ isLoggedIn: token !== null, isOther, user, message }));
}

/**
 * Calls `listener` after each log-in and log-out (`isOther`), and when the user becomes known. It gets `isLoggedIn`, `user`
 * (null until known) and a `message` to display.
 */
export function onSession(listener) {
  listeners.add(listener);
}

export const isLoggedIn = () => token !== null;

/** `fetch` with the token, unless the request has its own. A refused token ends the session. */
export async function fetchSignedIn(input, init = {}) {
  const headers = new Headers(init.headers);
  const sent = headers.has('authorization') ? null : token;
  if (sent !== null) headers.set('authorization', `Bearer ${sent}`);
  const response = await fetch(input, { ...init, headers });
  if (response.status === 401 && sent !== null && sent === token) {
    change(null, null, 'Your session has ended. Log in again.');
  }
  return response;
}

/**
 * The data of the API's response.
 *
 * Throws an error with a message to display, and with the API's `code`.
 */
export async function ask(query, variables, headers = {}) {
  let response;
  try {
    const body = JSON.stringify({ query, variables });
    headers = { 'content-type': 'application/json', ...headers };
    response = await fetchSignedIn(endpoint, { method: 'POST', headers, body, signal: AbortSignal.timeout(PATIENCE_MS) });
  } catch {
    throw new Error('The server does not respond.');
  }
  const { data, errors } = await response.json().catch(() => {
    // A proxy's page, or a truncated response.
    throw new Error(`The server does not respond (status ${response.status}).`);
  });
  if (errors) {
    throw Object.assign(new Error(errors[0].message), { code: errors[0].extensions?.code });
  }
  return data;
}

/** The error of a mutation that was executed and changed nothing. */
export class Refused extends Error {}

/** The payload of a successful mutation. Otherwise throws `Refused` with the payload's first error. */
export async function mutate(query, input, headers) {
  const [payload] = Object.values(await ask(query, { input }, headers));
  if (payload.errors.length) throw new Refused(payload.errors[0].message);
  return payload;
}

/** Logs in. Throws an error with the reason on failure. */
export async function logIn(login, password) {
  const { token, user } = await mutate(LOG_IN, { login, password });
  change(token, user);
}

/** Forgets the token, then revokes it. */
export async function logOut() {
  const authorization = `Bearer ${token}`;
  change(null, null);
  try {
    await ask(LOG_OUT, {}, { authorization });
  } catch (error) {
    // A session that has already ended needs no revocation.
    if (error.code !== 'UNAUTHENTICATED') {
      change(null, null, `Logged out here, but the session was not revoked: ${error.message}`);
    }
  }
}

/** Uses a token that the API returned elsewhere, such as in a mutation. */
export async function adopt(newToken) {
  change(newToken, null);
  await recognise();
}

/** Finds the user of the token. */
async function recognise() {
  const current = token;
  try {
    const { viewer } = await ask(VIEWER);
    if (current === token) change(token, viewer);
  } catch {
    // Either the session has ended, which `fetchSignedIn` handles, or the server does not respond.
  }
}

/** The option `connectionParams` of a graphql-ws client: its payload when it connects. */
export async function connectionParams() {
  if (doubtful && token !== null) await ask(VIEWER).catch(() => {});
  doubtful = false;
  return token === null ? {} : { token };
}

/** Handles the event `closed` of a graphql-ws client: its token may have been refused. */
export function noticeClosed({ code }) {
  doubtful ||= code === 4403;
}

if (token !== null) recognise();
