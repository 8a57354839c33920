// Who is logged in, the same on all pages. The token stays in this tab of the browser until it is closed, and goes with
// each request and each socket.

const KEY = 'kinoteka.token';
const VIEWER = '{ viewer { username role } }';
const LOG_IN = `mutation LogIn($input: LogInInput!) {
  logIn(input: $input) { token user { username role } errors { message } }
}`;
const LOG_OUT = 'mutation LogOut { logOut { endedSessions } }';

/** Where the API is: beside the page. */
export const endpoint = new URL('graphql', document.baseURI).href;

/** How long a page waits for a response. */
export const PATIENCE_MS = 15_000;

const listeners = new Set();
let token = sessionStorage.getItem(KEY);
let user = null;
/** Whether a socket was refused its token, which is then checked before it is sent again. */
let doubtful = false;

function change(newToken, newUser, message = '') {
  const isOther = newToken !== token;
  [token, user, doubtful] = [newToken, newUser, false];
  token === null ? sessionStorage.removeItem(KEY) : sessionStorage.setItem(KEY, token);
  listeners.forEach((listener) => listener({ isLoggedIn: token !== null, isOther, user, message }));
}

/**
 * Calls `listener` whenever somebody logs in or out (`isOther`), and when it is known who is logged in: with `isLoggedIn`,
 * `user`, null if it is not known yet, and a `message` for people.
 */
export function onSession(listener) {
  listeners.add(listener);
}

export const isLoggedIn = () => token !== null;

/** `fetch` with the token, unless the request has one of its own. A token that is refused ends the session. */
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
 * The data that the API answers.
 *
 * Throws an error whose message is for people, and whose `code` is that of the API.
 */
export async function ask(query, variables, headers = {}) {
  let response;
  try {
    const body = JSON.stringify({ query, variables });
    headers = { 'content-type': 'application/json', ...headers };
    response = await fetchSignedIn(endpoint, { method: 'POST', headers, body, signal: AbortSignal.timeout(PATIENCE_MS) });
  } catch {
    throw new Error('The server does not answer.');
  }
  const { data, errors } = await response.json().catch(() => {
    // A page of a proxy, or a response that was cut off.
    throw new Error(`The server does not answer (status ${response.status}).`);
  });
  if (errors) {
    throw Object.assign(new Error(errors[0].message), { code: errors[0].extensions?.code });
  }
  return data;
}

/** The payload of a mutation that has succeeded; throws what the payload says otherwise. */
export async function mutate(query, input, headers) {
  const [payload] = Object.values(await ask(query, { input }, headers));
  if (payload.errors.length) throw new Error(payload.errors[0].message);
  return payload;
}

/** Logs in; throws an error that says why not. */
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
    // One that had ended before needs no revoking.
    if (error.code !== 'UNAUTHENTICATED') {
      change(null, null, `Logged out here, but the session was not revoked: ${error.message}`);
    }
  }
}

/** Uses a token that the API has given by other ways. */
export async function adopt(newToken) {
  change(newToken, null);
  await recognise();
}

/** Asks whose the token is. */
async function recognise() {
  const asked = token;
  try {
    const { viewer } = await ask(VIEWER);
    if (asked === token) change(token, viewer);
  } catch {
    // Either the session has ended, which was noticed, or the server does not answer now.
  }
}

/** What a client of graphql-ws sends when it connects: its option `connectionParams`. */
export async function connectionParams() {
  if (doubtful && token !== null) await ask(VIEWER).catch(() => {});
  doubtful = false;
  return token === null ? {} : { token };
}

/** For the event `closed` of a client of graphql-ws: its token may have been refused. */
export function noticeClosed({ code }) {
  doubtful ||= code === 4403;
}

if (token !== null) recognise();
