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
let address = '127.0.0.1:0';

/** Starts the server, at the same address as before. */
async function start() {
  server = spawn(process.env.KINOTEKA_SERVER, ['serve', '--demo', '--listen', address, '--database-url', database], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  for await (const line of createInterface({ input: server.stderr })) {
    const found = line.match(/http:\/\/(127\.0\.0\.1:\d+)\/graphql/);
    if (found) {
      address = found[1];
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
async function say(text) {
  const sql = `INSERT INTO comments (comment, movie_id) VALUES ('${text}', 1)`;
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
});

after(async () => {
  await browser?.close();
  server?.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

test('new comments come, once, though the server is killed', async () => {
  const page = await browser.newPage();
  const troubles = [];
  page.on('pageerror', (error) => troubles.push(`exception: ${error}`));
  const subject = Buffer.from('Movie:1').toString('base64');
  await page.goto(`http://${address}/live?subject=${encodeURIComponent(subject)}`);
  const shown = () => page.locator('#comments li p:first-child').allTextContents();
  const wait = (text) => page.locator('#comments li', { hasText: text }).waitFor({ timeout: 20_000 });
  await page.locator('#state', { hasText: 'connected' }).waitFor({ timeout: 20_000 });
  const before = await shown();
  await say('[раз] <b>');
  await wait('[раз] <b>');
  await kill();
  await page.locator('#state', { hasText: 'reconnecting' }).waitFor({ timeout: 20_000 });
  await say('[два]');
  await say('[три]');
  await start();
  await say('[четыре]');
  await wait('[четыре]');
  assert.deepEqual(await shown(), ['[четыре]', '[три]', '[два]', '[раз] <b>', ...before]);
  // Another subject: none of these.
  await page.locator('#subject').selectOption({ index: 2 });
  await page.waitForFunction(() => !document.querySelector('#comments')?.textContent.includes('[четыре]'));
  assert.deepEqual(troubles, []);
  await page.close();
});
