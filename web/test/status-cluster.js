// Opens /status of a cluster as an admin and tells what it shows, a line each: `ready` once all is well, `shown` when NODE
// is in trouble, `over` when all is well again. Arguments: the origin, NODE, the admin's password. Started by tests/cluster.

import { enter, launch, newPage, screenshot } from './browser.js';

const [origin, node, password] = process.argv.slice(2);
const { browser, close } = await launch();
const tell = (word, more = {}) => console.log(JSON.stringify({ word, ...more }));
try {
  const { page, troubles } = await newPage(browser, origin);
  await page.goto(`${origin}/status`);
  await enter(page, 'admin', password);
  const well = page.locator('#state', { hasText: 'all is well' });
  await well.waitFor();
  tell('ready');
  await page.locator('#symptoms li', { hasText: `${node} receives changes and replays none` }).waitFor();
  tell('shown');
  await screenshot(page, 'status-cluster');
  await page.locator('#symptoms a', { hasText: `Story of ${node}` }).click();
  await page.locator('h2', { hasText: `Node ${node}` }).waitFor();
  await page.locator('figure', { hasText: node }).waitFor();
  await screenshot(page, 'status-cluster-node');
  tell('story');
  await page.locator('.events li', { hasText: 'ReplayStopped is over' }).waitFor();
  await screenshot(page, 'status-cluster-over');
  tell('over', { troubles });
} finally {
  await close();
}
