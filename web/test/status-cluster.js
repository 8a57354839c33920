// Opens /status of a cluster as an admin and reports its state, one line each: `ready` when it is healthy, `shown` when
// NODE has a fault, `over` when it is healthy again. Arguments: the origin, NODE, the admin's password. Run by tests/cluster.

import { enter, launch, newPage, screenshot } from './browser.js';

const [origin, node, password] = process.argv.slice(2);
const { browser, close } = await launch();
const report = (word, more = {}) => console.log(JSON.stringify({ word, ...more }));
try {
  const { page, troubles } = await newPage(browser, origin);
  await page.goto(`${origin}/status`);
  await enter(page, 'admin', password);
  const well = page.locator('#state', { hasText: 'healthy' });
  await well.waitFor();
  report('ready');
  await page.locator('#symptoms li', { hasText: `${node} receives changes and replays none` }).waitFor();
  report('shown');
  await screenshot(page, 'status-cluster');
  await page.locator('#symptoms a', { hasText: `History of ${node}` }).click();
  await page.locator('h2', { hasText: `Node ${node}` }).waitFor();
  await page.locator('figure', { hasText: node }).waitFor();
  await screenshot(page, 'status-cluster-node');
  report('story');
  await page.locator('.events li', { hasText: 'ReplayStopped is over' }).waitFor();
  await screenshot(page, 'status-cluster-over');
  report('over', { troubles });
} finally {
  await close();
}
