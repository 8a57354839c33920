// Drives /live in Chromium, while the server is killed and restarted. KINOTEKA_SERVER is the
// program. Run by scripts/test-ide.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';

import { ago } from '../src/live/when.js';
import { PHONE, ask, fits, isAccessible, launch, logIn, newPage, screenshot } from './browser.js';

let browser, close, folder, server, database;
// Unique to this process, so that no other program listens there while the server is down.
const { pid } = process;
const address = `127.${64 + ((pid >> 16) % 64)}.${(pid >> 8) % 256}.${pid % 256}:20000`;

/** Starts the server, always at the same address. */
async function start() {
  server = spawn(process.env.KINOTEKA_SERVER, ['serve', '--demo', '--listen', address, '--database-url', database], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  for await (const line of createInterface({ input: server.stderr })) {
    if (line.includes(`http://${address}/graphql`)) {
      server.stderr.resume();
      return;
    }
  }
  throw new Error('the server ended');
}

async function kill() {
  server.kill('SIGKILL');
  await once(server, 'exit');
}

/** Adds a comment with plain SQL, whether or not the server is running. */
const say = (text) => write(`INSERT INTO comments (comment, movie_id) VALUES ('${text}', 1)`);

async function write(sql) {
  const file = database.replace(/^sqlite:\/\//, '').replace(/\?.*/, '');
  const program = 'import sqlite3, sys; c = sqlite3.connect(sys.argv[1], timeout=20); c.execute(sys.argv[2]); c.commit()';
  const [code] = await once(spawn('python3', ['-c', program, file, sql], { stdio: 'inherit' }), 'exit');
  assert.equal(code, 0);
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kinoteka-live-'));
  database = `sqlite://${join(folder, 'kinoteka.db')}?mode=rwc`;
  await start();
  ({ browser, close } = await launch());
});

after(async () => {
  await close?.();
  server?.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

/** Opens the page and collects its faults. */
async function open(path, look = {}) {
  const { page, troubles } = await newPage(browser, `http://${address}`, look);
  await page.goto(`http://${address}${path}`);
  const state = (text) => page.locator('#state', { hasText: text }).waitFor({ timeout: 60_000 });
  const shown = () => page.locator('#comments .text').allTextContents();
  const wait = (text) => page.locator('#comments .text', { hasText: text }).waitFor({ timeout: 60_000 });
  return { page, troubles, state, shown, wait };
}

const MOVIE = `/live?subject=${encodeURIComponent(Buffer.from('Movie:1').toString('base64url'))}`;

test('new comments arrive exactly once although the server is killed', async () => {
  const { page, troubles, state, shown, wait } = await open(MOVIE);
  await state('connected');
  const before = await shown();
  assert.ok(before.length > 0);
  await say('[раз] <b>');
  await wait('[раз] <b>');
  await screenshot(page, 'live-1-desktop');
  await kill();
  await state('reconnecting');
  await screenshot(page, 'live-2-reconnecting');
  await say('[два]');
  await say('[три]');
  await start();
  await say('[четыре]');
  await wait('[четыре]');
  await state('connected');
  assert.deepEqual(await shown(), ['[четыре]', '[три]', '[два]', '[раз] <b>', ...before]);
  // Announced as they arrive, separately from the list.
  const news = page.getByRole('log', { name: 'New comments and changes' });
  assert.match(await news.textContent(), /\[раз\] <b>.*\[четыре\]$/);
  assert.equal(await page.locator('#comments').getAttribute('aria-busy'), null);
  assert.deepEqual(troubles, []);
  await page.close();
});

test('edits and deletions are shown as they happen, in order', async () => {
  const { page, troubles, state, shown, wait } = await open(MOVIE);
  await state('connected');
  const before = await shown();
  const id = (text) => `(SELECT id FROM comments WHERE comment = '${text}')`;
  for (const text of ['[пять]', '[шесть]', '[семь]']) await say(text);
  await wait('[семь]');
  await write(`INSERT INTO comments (comment, movie_id, parent_id) VALUES ('[ответ]', 1, ${id('[шесть]')})`);
  await wait('[ответ]');
  await write("UPDATE comments SET comment = '[пять!]' WHERE comment = '[пять]'");
  await wait('[пять!]');
  const edited = page.locator('#comments li', { hasText: '[пять!]' });
  assert.equal(await edited.locator('.note').textContent(), 'edited');
  // The reply is below its parent, whose thread is now first.
  const thread = page.locator('#comments > li').first();
  assert.deepEqual(await thread.locator('.text').allTextContents(), ['[шесть]', '[ответ]']);
  assert.deepEqual(await thread.locator('.replies .text').allTextContents(), ['[ответ]']);
  // A deleted comment with a reply stays, without its text. One without replies disappears.
  await write(`INSERT INTO comment_tombstones (comment_id) VALUES (${id('[шесть]')})`);
  await wait('Deleted');
  await write("DELETE FROM comments WHERE comment = '[семь]'");
  await page.locator('#comments .text', { hasText: '[семь]' }).waitFor({ state: 'detached' });
  await screenshot(page, 'live-5-changes');
  // Changes while the server is down are shown in order.
  await kill();
  await state('reconnecting');
  await say('[восемь]');
  await write("UPDATE comments SET comment = '[восемь!]' WHERE comment = '[восемь]'");
  await write("DELETE FROM comments WHERE comment = '[пять!]'");
  await start();
  await say('[девять]');
  await wait('[девять]');
  assert.deepEqual(await shown(), ['[девять]', '[восемь!]', 'Deleted', '[ответ]', ...before]);
  await page.reload();
  await state('connected');
  assert.deepEqual((await shown()).slice(0, 4), ['[девять]', '[восемь!]', 'Deleted', '[ответ]']);
  assert.deepEqual(troubles, []);
  await page.close();
});

test('movies are found by title and by id', async () => {
  const { page, troubles, state, shown, wait } = await open('/live', {
    viewport: PHONE,
    colorScheme: 'dark',
  });
  await state('connected');
  assert.equal(await page.locator('main h2').textContent(), 'Comments on everything');
  assert.ok((await shown()).length > 20, 'recent comments are shown when the page opens');
  await say('[обо всём]');
  await wait('[обо всём]');
  const title = await page.locator('#comments .about').first().textContent();
  assert.notEqual(title, '');
  const wanted = page.getByRole('searchbox', { name: 'Movie title or id' });
  await wanted.fill('обещ');
  await page.keyboard.press('Enter');
  await page.locator('#found button').first().waitFor();
  await screenshot(page, 'live-3-phone-found');
  await page.locator('#found button').first().click();
  await state('connected');
  assert.match(await page.locator('main h2').textContent(), /обещ/i);
  await screenshot(page, 'live-4-phone-dark');
  await wanted.fill(Buffer.from('Movie:1').toString('base64url'));
  await page.getByRole('button', { name: 'Find' }).click();
  await page.locator('main h2', { hasText: title }).waitFor();
  await wait('[обо всём]');
  await fits(page);
  // Back to the previous film, then texts that match no film.
  await page.goBack();
  await page.locator('main h2', { hasText: /обещ/i }).waitFor();
  await wanted.fill('[no such film]');
  await page.getByRole('button', { name: 'Find' }).click();
  await page.locator('#found', { hasText: 'No movie has this title or id' }).waitFor();
  await page.goto(`http://${address}/live?subject=nothing`);
  await page.locator('main h2', { hasText: 'No movie or publication has this id' }).waitFor();
  assert.deepEqual(await shown(), []);
  assert.deepEqual(troubles, []);
  await page.close();
});

test('a logged-in user comments, replies, edits and deletes', async () => {
  const { page, troubles, state, wait } = await open(MOVIE);
  await state('connected');
  await page.getByRole('button', { name: 'Log in to comment' }).click();
  await page.getByRole('button', { name: 'Log in as member' }).click();
  await page.locator('.who', { hasText: 'member' }).waitFor();
  const box = page.getByRole('textbox', { name: /^Comment on / });
  await box.fill('[моё]');
  await page.keyboard.press('Control+Enter');
  await wait('[моё]');
  await state('connected');
  const own = page.locator('#comments > li', { hasText: '[моё]' });
  await own.getByRole('button', { name: 'Reply to member' }).click();
  await page.getByRole('textbox', { name: 'Reply to member' }).fill('[моё тоже]');
  await page.getByRole('button', { name: 'Send' }).click();
  await own.locator('.replies .text', { hasText: '[моё тоже]' }).waitFor();
  await own.getByRole('button', { name: 'Edit your comment' }).first().click();
  await page.getByRole('textbox', { name: 'Edit your comment' }).fill('[исправлено]');
  await page.getByRole('button', { name: 'Send' }).click();
  await wait('[исправлено]');
  const edited = page.locator('#comments > li', { hasText: '[исправлено]' });
  assert.equal(await edited.locator('.note').first().textContent(), 'edited');
  // A comment from another device of the same user can be edited too: the subscription is logged in.
  const origin = `http://${address}`;
  const token = await logIn(origin, 'member');
  await ask(origin, 'mutation { addComment(input: { subjectId: "TW92aWU6MQ", text: "[с телефона]" }) { comment { id } } }', token);
  const other = page.locator('#comments > li', { hasText: '[с телефона]' });
  page.once('dialog', (dialog) => dialog.accept());
  await screenshot(page, 'live-6-logged-in');
  await other.getByRole('button', { name: 'Delete your comment' }).click();
  await other.waitFor({ state: 'detached' });
  // The log-in survives a reload, and ends with a log-out.
  await page.reload();
  await edited.getByRole('button', { name: 'Edit your comment' }).first().waitFor();
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.getByRole('button', { name: 'Log in to comment' }).waitFor();
  await edited.getByRole('button', { name: 'Edit your comment' }).first().waitFor({ state: 'hidden' });
  assert.deepEqual(troubles, []);
  await page.close();
});

/** Logs in as a member, on the page of a movie or of everything. */
async function openAsMember(path) {
  const opened = await open(path);
  await opened.state('connected');
  await opened.page.getByRole('button', { name: 'Log in to comment' }).click();
  await opened.page.getByRole('button', { name: 'Log in as member' }).click();
  await opened.page.locator('.who', { hasText: 'member' }).waitFor();
  await opened.state('connected');
  return opened;
}

test('what a proxy answers is explained, and what is sent again is done once', async () => {
  const { page, state, shown } = await openAsMember(MOVIE);
  const box = page.getByRole('textbox', { name: /^Comment on / });
  const [refused, send] = [page.locator('#refused'), page.getByRole('button', { name: 'Send' })];
  // The comment is added, and the response is lost.
  await page.route('**/graphql', async (route) => {
    await route.fetch();
    await route.fulfill({ status: 502, contentType: 'text/html', body: '<h1>Bad Gateway</h1>' });
  });
  await box.fill('[один раз]');
  await send.click();
  await refused.filter({ hasText: 'The server does not respond (status 502).' }).waitFor();
  assert.equal(await box.inputValue(), '[один раз]');
  await page.unroute('**/graphql');
  await send.click();
  await page.waitForFunction(() => document.getElementById('text').value === '');
  // A second comment with the same text needs another key.
  await box.fill('[один раз]');
  await send.click();
  await page.waitForFunction(() => document.getElementById('text').value === '');
  await page.reload();
  await state('connected');
  assert.equal((await shown()).filter((text) => text === '[один раз]').length, 2);
  // A refusal is not repeated: the next attempt has another key.
  const used = [];
  await page.route('**/graphql', async (route) => {
    used.push(route.request().headers()['idempotency-key']);
    await route.fulfill({ json: { data: { addComment: { comment: null, errors: [{ message: `no ${used.length}` }] } } } });
  });
  await box.fill('[не сейчас]');
  for (const why of ['no 1', 'no 2']) {
    await send.click();
    await refused.filter({ hasText: why }).waitFor();
  }
  assert.ok(used[0] && used[1] && used[0] !== used[1], used.join());
  await page.unroute('**/graphql');
  // The server does not respond at all.
  await page.evaluate(() => {
    const timeout = AbortSignal.timeout.bind(AbortSignal);
    AbortSignal.timeout = (ms) => timeout(ms / 100);
  });
  await page.route('**/graphql', () => {});
  await box.fill('[без ответа]');
  await send.click();
  await refused.filter({ hasText: /^The server does not respond\.$/ }).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), 'text');
  await page.close();
});

test('a draft outlives the comment that it replies to, and the focus what is deleted', async () => {
  const { page, troubles, wait } = await openAsMember('/live');
  await say('[под ним]');
  await wait('[под ним]');
  const comment = page.locator('#comments > li', { hasText: '[под ним]' });
  await comment.getByRole('button', { name: /^Reply to / }).click();
  await page.getByRole('textbox', { name: /^Reply to / }).fill('[черновик]');
  await write("DELETE FROM comments WHERE comment = '[под ним]'");
  await comment.waitFor({ state: 'detached' });
  await page.locator('#refused', { hasText: 'no longer here' }).waitFor();
  const box = page.getByRole('textbox', { name: /^Comment on / });
  assert.equal(await box.inputValue(), '[черновик]');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'text');
  await page.keyboard.press('Control+Enter');
  const own = page.locator('#comments > li', { hasText: '[черновик]' });
  await own.getByRole('button', { name: 'Delete your comment' }).focus();
  page.once('dialog', (dialog) => dialog.accept());
  await page.keyboard.press('Enter');
  await own.waitFor({ state: 'detached' });
  assert.match(await page.evaluate(() => document.activeElement.getAttribute('aria-label')), /^Reply to /);
  assert.deepEqual(troubles, []);
  await page.close();
});

test('the page is accessible, dark and light, with its form and without', async () => {
  for (const look of [{ colorScheme: 'dark', viewport: PHONE }, {}]) {
    const { page, state } = await open('/live', look);
    await state('connected');
    await isAccessible(page, `logged out ${JSON.stringify(look)}`);
    await page.getByRole('button', { name: 'Log in', exact: true }).click();
    await isAccessible(page, `the log-in form ${JSON.stringify(look)}`);
    await page.getByRole('button', { name: 'Log in as admin' }).click();
    await page.locator('.who', { hasText: 'admin' }).waitFor();
    await state('connected');
    await page.getByRole('button', { name: /^Reply to / }).first().click();
    await page.getByRole('textbox', { name: /^Reply to / }).waitFor();
    await isAccessible(page, `a reply ${JSON.stringify(look)}`);
    await fits(page);
    await screenshot(page, `live-7-${look.viewport ? 'phone' : 'light'}`);
    // By keyboard only: leave the form and return to the button.
    await page.keyboard.press('Escape');
    assert.match(await page.evaluate(() => document.activeElement.textContent), /^Reply$/);
    await page.close();
  }
});

test('times are relative', () => {
  const now = Date.parse('2026-03-01T12:00:00Z');
  const relative = (time) => ago(time, now);
  assert.equal(relative('2026-03-01T12:00:02Z'), 'just now');
  assert.equal(relative('2026-03-01T11:59:01Z'), 'just now');
  assert.equal(relative('2026-03-01T11:59:00Z'), '1 minute ago');
  assert.equal(relative('2026-03-01T10:00:01Z'), '1 hour ago');
  assert.equal(relative('2026-02-28T12:00:00Z'), 'yesterday');
  assert.equal(relative('2023-02-28T12:00:00Z'), '3 years ago');
});
