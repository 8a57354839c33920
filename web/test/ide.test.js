// Drives the pages of a running server in Chromium. KINOTEKA_URL is its origin. Screenshots go
// to the folder KINOTEKA_SCREENSHOTS, if set. Run by scripts/test-ide.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { PHONE, ask, fits, isAccessible, launch, logIn, newPage, runInNewTab, screenshot, shows } from './browser.js';

const origin = new URL(process.env.KINOTEKA_URL).origin;

let browser;
let close;

before(async () => ({ browser, close } = await launch()));

after(() => close?.());

/** Opens a page without stored state and collects its faults: errors, violations, requests to other origins. */
async function open(path, { waitUntil = 'load', ...look } = {}) {
  const { page, troubles } = await newPage(browser, origin, look);
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) {
      troubles.push(`console: ${message.text()}`);
    }
  });
  page.on('requestfailed', (request) => troubles.push(`failed: ${request.url()} ${request.failure()?.errorText}`));
  page.on('response', (response) => {
    if (response.status() >= 400) {
      troubles.push(`status ${response.status()}: ${response.url()}`);
    }
  });
  await page.addInitScript(() => localStorage.clear());
  const response = await page.goto(`${origin}${path}`, { waitUntil });
  assert.equal(response.status(), 200);
  assert.match(response.headers()['content-security-policy'], /script-src 'self';/);
  return { page, troubles };
}

// This test is first, because loading is slowest with an empty cache.
test('a tab that is clicked immediately shows its own query', async () => {
  const { page, troubles } = await open('/', { waitUntil: 'commit' });
  await page.getByRole('button', { name: 'Film', exact: true }).click();
  await shows(page, '.graphiql-query-editor', 'query Film');
  await shows(page, '.graphiql-editor-tool', '"director"');
  assert.deepEqual(troubles, []);
  await page.close();
});

test('a tab that is run immediately runs its own operation', async () => {
  const { page, troubles } = await open('/');
  await shows(page, '.graphiql-query-editor', 'query Movies');
  // Before GraphiQL has read the tab's document, which it does a moment later.
  await page.evaluate(() => {
    const tabs = [...document.querySelectorAll('.graphiql-tab-button')];
    tabs.find(({ textContent }) => textContent === 'Film').click();
    document.querySelector('.graphiql-execute-button').click();
  });
  await shows(page, '.graphiql-response', '"originalTitle"');
  assert.deepEqual(troubles, []);
  await page.close();
});

test('GraphiQL runs the examples and shows docs and history', async () => {
  const { page, troubles } = await open('/');
  await shows(page, '.graphiql-query-editor', 'query Movies');
  await screenshot(page, '1-opened');
  await page.getByRole('button', { name: /^Execute query/ }).click();
  await shows(page, '.graphiql-response', '"title": "Обещание вокзала"');
  await screenshot(page, '2-answered');

  await page.getByRole('button', { name: 'Browse', exact: true }).click();
  await shows(page, '.graphiql-query-editor', 'query Browse');
  await shows(page, '.graphiql-editor-tool', '"RATING_DESC"');
  await page.locator('.graphiql-query-editor .view-line').first().click();
  // GraphiQL binds its keys some time after it shows the tab's text, so they are pressed until they work.
  for (let attempts = 12; ; attempts -= 1) {
    await page.keyboard.press('Control+Enter');
    try {
      await shows(page, '.graphiql-response', '"totalCount": ', 5_000);
      break;
    } catch (error) {
      if (attempts === 1) throw error;
    }
  }
  // The worker knows the query's variables.
  await page.waitForFunction(() => !document.querySelector('.graphiql-editor-tool .squiggly-error'));
  await screenshot(page, '3-variables');

  await page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
  await page.locator('.graphiql-doc-explorer').getByRole('link', { name: 'Query', exact: true }).click();
  await page.locator('.graphiql-doc-explorer').getByText('publicationCategories').waitFor();
  await screenshot(page, '4-docs');

  await page.getByRole('button', { name: 'Show History' }).click();
  const history = page.locator('.graphiql-history');
  await history.getByText('Movies').first().waitFor();
  await history.getByText('Browse').first().waitFor();
  await screenshot(page, '5-history');

  // The worker underlines a mistake.
  await page.getByRole('button', { name: 'Movies', exact: true }).click();
  await shows(page, '.graphiql-query-editor', 'query Movies');
  await page.locator('.graphiql-query-editor .view-line').last().click();
  await page.keyboard.press('Control+End');
  await page.keyboard.type('query Wrong { noSuchField }');
  await page.locator('.graphiql-query-editor .squiggly-error').first().waitFor();
  await screenshot(page, '6-mistake');
  assert.deepEqual(troubles, []);
  await page.close();
});

test('GraphiQL runs a subscription', async () => {
  const { page, troubles } = await open('/');
  await shows(page, '.graphiql-query-editor', 'query Movies');
  await runInNewTab(page, 'subscription Hear { commentAdded { comment { text } } }');
  // Comments before the subscription starts are not delivered, so comments are added until one is shown.
  const token = await logIn(origin, 'member');
  const response = page.locator('.graphiql-response');
  const deadline = Date.now() + 60_000;
  for (let number = 1; !(await response.textContent()).includes('Слышно?'); number += 1) {
    assert.ok(Date.now() < deadline, 'no comment arrives');
    await ask(origin, `mutation { addComment(input: { subjectId: "TW92aWU6MQ", text: "Слышно? ${number}" }) { comment { id } } }`, token);
    await page.waitForTimeout(200);
  }
  await screenshot(page, '7-listening');
  assert.deepEqual(troubles, []);
  await page.close();
});

test('Cyrillic letters are not marked as ambiguous', async () => {
  const { page } = await open('/');
  await shows(page, '.graphiql-query-editor', 'query Movies');
  // Only the Greek letter among these is marked.
  await runInNewTab(page, 'query Rose { search(query: "А роза упала a rose οn paper") { totalCount } }');
  await page.locator('.graphiql-query-editor .unicode-highlight').first().waitFor();
  assert.equal(await page.locator('.graphiql-query-editor .unicode-highlight').count(), 1);
  await page.close();
});

test('GraphiQL is accessible, dark and light, and fits a phone', async () => {
  for (const look of [{ colorScheme: 'dark' }, { viewport: PHONE }]) {
    const { page, troubles } = await open('/', look);
    await shows(page, '.graphiql-query-editor', 'query Movies');
    await page.getByRole('button', { name: /^Execute query/ }).click();
    await shows(page, '.graphiql-response', '"title": "Обещание');
    await isAccessible(page, JSON.stringify(look));
    await fits(page);
    await screenshot(page, `9-${look.viewport ? 'phone' : 'dark'}`);
    if (look.viewport) {
      for (const part of ['.graphiql-query-editor', '.graphiql-response']) {
        const { width, height } = await page.locator(part).boundingBox();
        assert.ok(width > 300 && height > 100, `${part} has ${width} x ${height} pixels`);
      }
      await page.getByRole('link', { name: 'Docs' }).click();
      await page.locator('.graphiql-doc-explorer').getByText('Root Types').waitFor();
      await fits(page);
      await screenshot(page, '9-phone-docs');
    }
    assert.deepEqual(troubles, []);
    await page.close();
  }
});

test('the plain page runs a query', async () => {
  const { page, troubles } = await open('/plain');
  await page.getByRole('button', { name: 'Run' }).click();
  await page.locator('#result', { hasText: '"title": "Обещание вокзала"' }).waitFor();
  await screenshot(page, '8-plain');
  await page.locator('#variables').fill('{ "first": 1000 }');
  await page.keyboard.press('Control+Enter');
  await page.locator('#result', { hasText: 'BAD_USER_INPUT' }).waitFor();
  await page.locator('#variables').fill('{');
  await page.keyboard.press('Control+Enter');
  await page.locator('#result', { hasText: 'SyntaxError' }).waitFor();
  await page.getByRole('link', { name: 'GraphiQL is at /' }).click();
  await page.getByRole('heading', { name: "Kinoteka's API in GraphiQL" }).waitFor({ state: 'attached' });
  assert.deepEqual(troubles, []);
  await page.close();
});

test('files are cached permanently, pages are revalidated', async () => {
  const index = await fetch(`${origin}/`);
  assert.equal(index.headers.get('cache-control'), 'no-cache');
  const tag = index.headers.get('etag');
  const again = await fetch(`${origin}/`, { headers: { 'if-none-match': `W/"other", ${tag}` } });
  assert.equal(again.status, 304);
  assert.equal(await again.text(), '');
  const script = (await index.text()).match(/src="\.(\/assets\/[^"]+\.js)"/)[1];
  const asset = await fetch(`${origin}${script}`);
  assert.equal(asset.headers.get('cache-control'), 'public, max-age=31536000, immutable');
  assert.equal(asset.headers.get('content-type'), 'text/javascript; charset=utf-8');
  assert.equal(asset.headers.get('x-content-type-options'), 'nosniff');
  assert.equal(asset.headers.get('content-encoding'), 'gzip');
  assert.equal((await fetch(`${origin}/assets/none.js`)).status, 404);
});
