// Drives /status in Chromium: a server on the demo catalogue with a stand-in for Patroni, in which n2 gets a fault.
// KINOTEKA_SERVER is the program. tests/cluster tests a real cluster. Run by scripts/test-ide.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';

import { PHONE, enter, fits, isAccessible, launch, newPage, screenshot } from './browser.js';

const LEADER_AT = 0x3000000;
/** The state of n2 in the stand-in. */
const n2 = { replayed: LEADER_AT };
let patroni, server, folder, origin, chromium;

function answer(path) {
  const { port } = patroni.address();
  const member = (name, role, state) => ({ name, role, state, api_url: `http://127.0.0.1:${port}/${name}`, host: `10.0.0.1${name[1]}`, port: 5432, timeline: 7 });
  const common = { state: 'running', server_version: 150020, timeline: 7, patroni: { version: '4.1.5', scope: 'main' } };
  const replica = (replayed) => ({ ...common, role: 'replica', replication_state: 'streaming',
    xlog: { received_location: LEADER_AT, replayed_location: replayed, replayed_timestamp: '2026-11-29 11:20:47+00:00', paused: false } });
  return {
    '/cluster': { scope: 'main', members: [member('n1', 'leader', 'running'), member('n2', 'quorum_standby', 'streaming'), member('n3', 'quorum_standby', 'streaming')] },
    '/n1': { ...common, role: 'primary', database_system_identifier: '7513551497020290584', xlog: { location: LEADER_AT } },
    '/n2': replica(n2.replayed),
    '/n3': replica(LEADER_AT),
  }[path];
}

before(async () => {
  patroni = createServer((request, response) => response.end(JSON.stringify(answer(request.url))));
  await once(patroni.listen(0, '127.0.0.1'), 'listening');
  folder = await mkdtemp(join(tmpdir(), 'kinoteka-status-'));
  server = spawn(process.env.KINOTEKA_SERVER, ['serve', '--demo', '--listen', '127.0.0.1:0', '--patroni-url',
    `http://127.0.0.1:${patroni.address().port}`, '--database-url', `sqlite://${join(folder, 'kinoteka.db')}?mode=rwc`],
  { stdio: ['ignore', 'ignore', 'pipe'] });
  for await (const line of createInterface({ input: server.stderr })) {
    origin = /(http:\/\/127\.0\.0\.1:\d+)\/graphql/.exec(line)?.[1];
    if (origin) break;
  }
  assert.ok(origin, 'the server ended');
  server.stderr.resume();
  chromium = await launch();
});

after(async () => {
  await chromium?.close();
  server?.kill('SIGKILL');
  patroni?.close();
  await rm(folder, { recursive: true, force: true });
});

/** Opens the page. */
async function open(options) {
  const { page, troubles } = await newPage(chromium.browser, origin, options);
  await page.goto(`${origin}/status`);
  return { page, troubles };
}

const state = (page, text) => page.locator('#state', { hasText: text }).waitFor({ timeout: 60_000 });

test('users who are not admins are refused', async () => {
  const { page, troubles } = await open();
  await page.locator('#gate', { hasText: 'This page is for admins. Log in as an admin.' }).waitFor();
  await enter(page, 'member', 'kinoteka-demo');
  await page.locator('#gate', { hasText: 'This page is only for admins.' }).waitFor();
  assert.equal(await page.locator('#shown').isVisible(), false);
  await page.locator('.bar button', { hasText: 'Log out' }).click();
  await page.locator('#gate', { hasText: 'Log in as an admin' }).waitFor();
  await page.locator('#enter').click();
  await page.getByRole('dialog').waitFor();
  assert.deepEqual(troubles, []);
  await page.close();
});

test('a node with a fault is shown with its history and the remedy', async () => {
  const { page, troubles } = await open();
  await enter(page, 'admin', 'kinoteka-demo');
  await state(page, 'healthy');
  assert.deepEqual(await page.locator('table').first().locator('tbody th').allTextContents(), ['n1', 'n2', 'n3']);
  await screenshot(page, 'status-1-well');
  // The focus does not move when the page is redrawn.
  await page.locator('#link-n2').focus();
  n2.replayed -= 5 << 20;
  const symptom = page.locator('#symptoms li', { hasText: 'ReplayStopped' });
  await symptom.waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), 'link-n2');
  await state(page, '1 problem');
  await screenshot(page, 'status-2-trouble');
  await isAccessible(page, 'status with a symptom');
  await page.keyboard.press('Enter');
  await page.locator('h2', { hasText: 'Node n2' }).waitFor();
  await page.locator('.events li', { hasText: 'ReplayStopped: n2 receives changes' }).waitFor();
  await page.locator('dd', { hasText: '5.0 MiB' }).waitFor();
  assert.equal(await page.locator('figure').count(), 1, 'only the plot of this node');
  await screenshot(page, 'status-3-node');
  await isAccessible(page, 'status of a node');
  const [guide] = await Promise.all([chromium.browser.waitForEvent('page'), symptom.locator('a', { hasText: 'What to do' }).click()]);
  await guide.locator('h3#replaystopped:target', { hasText: 'ReplayStopped' }).waitFor();
  assert.equal(await guide.locator('h3#replaystopped').evaluate((it) => it.getBoundingClientRect().top < innerHeight / 2), true);
  await screenshot(guide, 'status-4-what-to-do');
  await isAccessible(guide, 'what to do');
  await guide.close();
  n2.replayed = LEADER_AT;
  await state(page, 'healthy');
  await page.locator('.events li', { hasText: 'ReplayStopped is over, 0 B behind' }).waitFor();
  await page.locator('#back').click();
  await page.locator('figure', { hasText: 'Operations per second' }).waitFor();
  assert.equal(new URL(page.url()).hash, '');
  assert.deepEqual(troubles, []);
  await page.close();
});

test('the page fits a phone, is accessible in the dark, and is small', async () => {
  const { page, troubles } = await open({ viewport: PHONE, colorScheme: 'dark' });
  await enter(page, 'admin', 'kinoteka-demo');
  await state(page, 'healthy');
  await page.locator('figure').first().waitFor();
  await fits(page);
  await isAccessible(page, 'status on a phone, dark');
  await screenshot(page, 'status-5-phone-dark');
  // The tab keeps the token, so a reload shows the page without a log-in.
  await page.reload();
  await state(page, 'healthy');
  const { bytes, loaded } = await page.evaluate(() => {
    const loads = [performance.getEntriesByType('navigation')[0], ...performance.getEntriesByType('resource')];
    const files = loads.filter(({ name }) => !/\.json$|graphql$/.test(name));
    return { bytes: files.reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0), loaded: loads[0].loadEventEnd };
  });
  console.log(`/status: ${bytes} bytes in total, loaded in ${loaded.toFixed(0)} ms`);
  assert.ok(bytes < 100_000, `${bytes} bytes`);
  assert.deepEqual(troubles, []);
  await page.close();
});

test('a server that is down is reported, and found again', async () => {
  const { page, troubles } = await open();
  await enter(page, 'admin', 'kinoteka-demo');
  await state(page, 'healthy');
  server.kill('SIGSTOP');
  await state(page, 'the server does not respond');
  assert.equal(await page.locator('#shown').isVisible(), true, 'the last status stays visible');
  server.kill('SIGCONT');
  await state(page, 'healthy');
  assert.deepEqual(troubles, []);
  await page.close();
});
