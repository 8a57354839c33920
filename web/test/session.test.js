// Logs in and out on the pages of a running server. KINOTEKA_URL is its origin. Run by scripts/test-ide.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { PHONE, ask, fits, isAccessible, launch, logIn, newPage, runInNewTab, screenshot, shows } from './browser.js';

const origin = new URL(process.env.KINOTEKA_URL).origin;
const ENDED = 'Your session has ended. Log in again.';

let browser;
let close;

before(async () => ({ browser, close } = await launch()));

after(() => close?.());

async function open(look) {
  const { page, troubles } = await newPage(browser, origin, look);
  await page.addInitScript(() => localStorage.clear());
  await page.goto(origin);
  await shows(page, '.graphiql-query-editor', 'query Movies');
  return { page, troubles };
}

async function enterAs(page, username) {
  await page.getByRole('button', { name: 'Log in', exact: true }).click();
  await page.getByRole('button', { name: `Log in as ${username}` }).click();
  await page.locator('.bar .who', { hasText: username }).waitFor();
}

const tokenOf = (page) => page.evaluate(() => sessionStorage.getItem('kinoteka.token'));

/** The status of a request with a token. */
async function statusWith(token) {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  const { status } = await fetch(`${origin}/graphql`, { method: 'POST', headers, body: '{"query":"{ viewer { id } }"}' });
  return status;
}

/** Adds comments of a user until the page shows one. */
async function sayUntilHeard(page, token, text) {
  const response = page.locator('.graphiql-response');
  const deadline = Date.now() + 60_000;
  for (let number = 1; !(await response.textContent()).includes(text); number += 1) {
    assert.ok(Date.now() < deadline, 'no comment arrives');
    await ask(origin, `mutation { addComment(input: { subjectId: "TW92aWU6MQ", text: "${text} ${number}" }) { comment { id } } }`, token);
    await page.waitForTimeout(200);
  }
}

test('a log-in serves requests and subscriptions and survives a reload', async () => {
  const { page, troubles } = await open();
  await enterAs(page, 'member');
  await runInNewTab(page, 'query Who { viewer { username } }');
  await shows(page, '.graphiql-response', '"username": "member"');
  await screenshot(page, 'session-1');
  const token = await tokenOf(page);
  await page.reload();
  await page.locator('.bar .who', { hasText: 'member' }).waitFor();
  assert.equal(await tokenOf(page), token);
  await shows(page, '.graphiql-query-editor', 'query Movies');
  await runInNewTab(page, 'query Again { viewer { username } }');
  await shows(page, '.graphiql-response', '"username": "member"');
  // Only its author may edit a comment: the socket is the member's.
  await runInNewTab(page, 'subscription Own { commentAdded { comment { text canEdit } } }');
  await sayUntilHeard(page, await logIn(origin, 'member'), 'Своё');
  await shows(page, '.graphiql-response', '"canEdit": true');
  // A running subscription continues anonymously.
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.getByRole('button', { name: 'Log in', exact: true }).waitFor();
  await sayUntilHeard(page, await logIn(origin, 'member'), 'Чужое');
  await shows(page, '.graphiql-response', '"canEdit": false');
  assert.equal(await tokenOf(page), null);
  assert.equal(await statusWith(token), 401);
  assert.deepEqual(troubles, []);
  await page.close();
});

test('the form is accessible and says why a log-in failed', async () => {
  for (const look of [{ colorScheme: 'dark' }, { viewport: PHONE }]) {
    const { page } = await open(look);
    await page.getByRole('button', { name: 'Log in', exact: true }).click();
    await page.getByLabel('Username or email address').fill('member');
    await page.getByLabel('Password').fill('wrong password');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').filter({ hasText: 'wrong' }).waitFor();
    await isAccessible(page, JSON.stringify(look));
    await fits(page);
    await screenshot(page, `session-form-${look.viewport ? 'phone' : 'dark'}`);
    await page.getByLabel('Password').fill('kinoteka-demo');
    await page.keyboard.press('Enter');
    await page.locator('.bar .who', { hasText: 'member' }).waitFor();
    await fits(page);
    await page.close();
  }
});

test('a session that ends elsewhere is noticed by the socket and by a request', async () => {
  const { page } = await open();
  const revoke = async () => ask(origin, 'mutation { logOutEverywhere { endedSessions } }', await tokenOf(page));
  await enterAs(page, 'editor');
  await runInNewTab(page, 'subscription Notice { commentAdded { comment { text } } }');
  await sayUntilHeard(page, await tokenOf(page), 'Слушаю');
  await revoke();
  await page.getByRole('status').filter({ hasText: ENDED }).waitFor();
  // It continues anonymously.
  await page.getByRole('button', { name: /^Stop query/ }).click();
  await enterAs(page, 'editor');
  await runInNewTab(page, 'query Who { viewer { username } }');
  await shows(page, '.graphiql-response', '"username": "editor"');
  await revoke();
  await page.getByRole('button', { name: /^Execute query/ }).click();
  await page.getByRole('status').filter({ hasText: ENDED }).waitFor();
  await shows(page, '.graphiql-response', 'UNAUTHENTICATED');
  assert.equal(await tokenOf(page), null);
  await page.close();
});

test('a log-in by a mutation logs the page in', async () => {
  const { page, troubles } = await open();
  await page.getByRole('button', { name: 'LogIn', exact: true }).click();
  await shows(page, '.graphiql-query-editor', 'mutation LogIn');
  await shows(page, '.graphiql-editor-tool', '"member"');
  await page.getByRole('button', { name: /^Execute query/ }).click();
  await page.locator('.bar .who', { hasText: 'member' }).waitFor();
  await page.getByRole('button', { name: 'Rate', exact: true }).click();
  await shows(page, '.graphiql-query-editor', 'mutation Rate');
  await page.getByRole('button', { name: /^Execute query/ }).click();
  await shows(page, '.graphiql-response', '"rating": 5');
  // On all pages.
  await page.getByRole('link', { name: 'Live' }).click();
  await page.locator('.bar .who', { hasText: 'member' }).waitFor();
  assert.deepEqual(troubles, []);
  await page.close();
});
