// Drives /live in Chromium, with the server killed and restarted under it. KINOTEKA_SERVER is the
// program. Started by scripts/test-ide.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';

import { chromium } from 'playwright-core';

let browser, folder, server, database;
// Of this process alone, so that nobody else listens there while the server is away.
const { pid } = process;
const address = `127.${64 + ((pid >> 16) % 64)}.${(pid >> 8) % 256}.${pid % 256}:20000`;

/** Starts the server, at the same address each time. */
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

/** Adds a comment by plain SQL, whether the server runs or not. */
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
  browser = await chromium.launchPersistentContext(join(folder, 'profile'), {
    executablePath: process.env.KINOTEKA_CHROMIUM ?? '/usr/bin/chromium',
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync'],
  });
  // Catches what hangs.
  browser.setDefaultTimeout(60_000);
});

after(async () => {
  await browser?.close();
  server?.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

/** Opens the page and gathers what must not happen on it. */
async function open(path, options = {}) {
  const page = await browser.newPage();
  const troubles = [];
  page.on('pageerror', (error) => troubles.push(`exception: ${error}`));
  await page.exposeFunction('trouble', (text) => troubles.push(text));
  await page.addInitScript(() =>
    document.addEventListener('securitypolicyviolation', (event) =>
      window.trouble(`policy: ${event.violatedDirective} ${event.blockedURI}`),
    ),
  );
  await page.setViewportSize(options.viewport ?? { width: 1200, height: 800 });
  await page.emulateMedia({ colorScheme: options.colorScheme ?? 'light' });
  await page.goto(`http://${address}${path}`);
  const state = (text) => page.locator('#state', { hasText: text }).waitFor({ timeout: 60_000 });
  const shown = () => page.locator('#comments .text').allTextContents();
  const wait = (text) => page.locator('#comments .text', { hasText: text }).waitFor({ timeout: 60_000 });
  return { page, troubles, state, shown, wait };
}

async function screenshot(page, name) {
  if (process.env.KINOTEKA_SCREENSHOTS) {
    await page.screenshot({ path: join(process.env.KINOTEKA_SCREENSHOTS, `${name}.png`) });
  }
}

const MOVIE = `/live?subject=${encodeURIComponent(Buffer.from('Movie:1').toString('base64url'))}`;

test('new comments come, once, though the server is killed', async () => {
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
  // Read out as they come, and not as long as the list is loaded.
  const list = page.getByRole('list');
  assert.equal(await list.getAttribute('aria-live'), 'polite');
  assert.equal(await list.getAttribute('aria-busy'), null);
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
  // One with a reply stays, without its text; one without is gone.
  await write(`INSERT INTO comment_tombstones (comment_id) VALUES (${id('[шесть]')})`);
  await wait('Deleted');
  await write("DELETE FROM comments WHERE comment = '[семь]'");
  await page.locator('#comments .text', { hasText: '[семь]' }).waitFor({ state: 'detached' });
  await screenshot(page, 'live-5-changes');
  // What happens while the server is away, in one order.
  await kill();
  await state('reconnecting');
  await say('[восемь]');
  await write("UPDATE comments SET comment = '[восемь!]' WHERE comment = '[восемь]'");
  await write("DELETE FROM comments WHERE comment = '[пять!]'");
  await start();
  await say('[девять]');
  await wait('[девять]');
  assert.deepEqual(await shown(), ['[девять]', '[восемь!]', '[ответ]', 'Deleted', ...before]);
  assert.deepEqual(troubles, []);
  await page.close();
});

test('movies are found by title and by id', async () => {
  const { page, troubles, state, shown, wait } = await open('/live', {
    viewport: { width: 375, height: 720 },
    colorScheme: 'dark',
  });
  await state('connected');
  assert.equal(await page.locator('h2').textContent(), 'Comments on everything');
  await say('[обо всём]');
  await wait('[обо всём]');
  const title = await page.locator('#comments .about').first().textContent();
  assert.notEqual(title, '');
  const wanted = page.getByRole('searchbox', { name: 'Movie, by its title or id' });
  await wanted.fill('обещ');
  await page.keyboard.press('Enter');
  await page.locator('#found button').first().waitFor();
  await screenshot(page, 'live-3-phone-found');
  await page.locator('#found button').first().click();
  await state('connected');
  assert.match(await page.locator('h2').textContent(), /обещ/i);
  await screenshot(page, 'live-4-phone-dark');
  await wanted.fill(Buffer.from('Movie:1').toString('base64url'));
  await page.getByRole('button', { name: 'Find' }).click();
  await page.locator('h2', { hasText: title }).waitFor();
  await wait('[обо всём]');
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(width <= 375, `${width} pixels on a phone`);
  // Back to the film before, and what is no film.
  await page.goBack();
  await page.locator('h2', { hasText: /обещ/i }).waitFor();
  await wanted.fill('[no such film]');
  await page.getByRole('button', { name: 'Find' }).click();
  await page.locator('#found', { hasText: 'No movie has this title or id' }).waitFor();
  await page.goto(`http://${address}/live?subject=nothing`);
  await page.locator('h2', { hasText: 'Nothing has this id' }).waitFor();
  assert.deepEqual(await shown(), []);
  assert.deepEqual(troubles, []);
  await page.close();
});
