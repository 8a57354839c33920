// Drives the pages of a running server in Chromium: KINOTEKA_URL is its origin. Screenshots go
// to the folder KINOTEKA_SCREENSHOTS, if it is set. Started by scripts/test-ide.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { chromium } from 'playwright-core';

const origin = new URL(process.env.KINOTEKA_URL).origin;

let browser;
let profile;

before(async () => {
  profile = await mkdtemp(join(tmpdir(), 'kinoteka-chromium-'));
  browser = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.KINOTEKA_CHROMIUM ?? '/usr/bin/chromium',
    viewport: { width: 1400, height: 900 },
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  // Catches what hangs.
  browser.setDefaultTimeout(60_000);
});

after(async () => {
  await browser?.close();
  await rm(profile, { recursive: true, force: true });
});

/** Opens a page as if for the first time and gathers what must not happen on it: errors, violations, foreign requests. */
async function open(path, waitUntil = 'load') {
  const page = await browser.newPage();
  const troubles = [];
  page.on('console', (message) => {
    // A violation of the Content-Security-Policy is an error of the console, too.
    if (['error', 'warning'].includes(message.type())) {
      troubles.push(`console: ${message.text()}`);
    }
  });
  page.on('pageerror', (error) => troubles.push(`exception: ${error}`));
  page.on('requestfailed', (request) => troubles.push(`failed: ${request.url()} ${request.failure()?.errorText}`));
  page.on('response', (response) => {
    if (response.status() >= 400) {
      troubles.push(`status ${response.status()}: ${response.url()}`);
    }
  });
  browser.on('request', (request) => {
    const url = new URL(request.url());
    if (url.origin !== origin && !['data:', 'blob:'].includes(url.protocol)) {
      troubles.push(`request to elsewhere: ${url}`);
    }
  });
  await page.addInitScript(() => {
    localStorage.clear();
    document.addEventListener('securitypolicyviolation', (event) =>
      console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`),
    );
  });
  const response = await page.goto(`${origin}${path}`, { waitUntil });
  assert.equal(response.status(), 200);
  assert.match(response.headers()['content-security-policy'], /script-src 'self';/);
  return { page, troubles };
}

async function screenshot(page, name) {
  if (process.env.KINOTEKA_SCREENSHOTS) {
    await page.screenshot({ path: join(process.env.KINOTEKA_SCREENSHOTS, `${name}.png`) });
  }
}

/** Waits until the editor `selector` shows `text`. Monaco writes spaces as no-break spaces. */
async function shows(page, selector, text) {
  await page.waitForFunction(
    ([selector, text]) => {
      const shown = document.querySelector(selector)?.textContent ?? '';
      return shown.replaceAll('\u00a0', ' ').includes(text);
    },
    [selector, text],
    { timeout: 60_000 },
  );
}

// First, while the browser has nothing cached: the files are slowest then.
test('a tab that is clicked at once shows its own query', async () => {
  const { page, troubles } = await open('/', 'commit');
  await page.getByRole('tab', { name: 'Film' }).click();
  await shows(page, '.graphiql-query-editor', 'query Film');
  await shows(page, '.graphiql-editor-tool', '"director"');
  assert.deepEqual(troubles, []);
  await page.close();
});

test('GraphiQL runs the examples, shows the docs and remembers', async () => {
  const { page, troubles } = await open('/');
  await shows(page, '.graphiql-query-editor', 'query Movies');
  await screenshot(page, '1-opened');
  await page.getByRole('button', { name: /^Execute query/ }).click();
  await shows(page, '.graphiql-response', '"title": "Обещание вокзала"');
  await screenshot(page, '2-answered');

  await page.getByRole('tab', { name: 'Browse' }).click();
  await shows(page, '.graphiql-query-editor', 'query Browse');
  await shows(page, '.graphiql-editor-tool', '"RATING_DESC"');
  await page.locator('.graphiql-query-editor .view-line').first().click();
  // GraphiQL gives its keys to a tab some time after it shows the tab's text: the keys are pressed until a request is sent.
  const sent = page.waitForRequest((request) => request.postData()?.includes('query Browse') ?? false);
  const pressing = setInterval(() => page.keyboard.press('Control+Enter').catch(() => {}), 500);
  await sent.finally(() => clearInterval(pressing));
  await shows(page, '.graphiql-response', '"totalCount": ');
  // The worker has learnt which variables this query declares.
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

  // A mistake is underlined by the worker that knows the schema.
  await page.getByRole('tab', { name: 'Movies' }).click();
  await shows(page, '.graphiql-query-editor', 'query Movies');
  await page.locator('.graphiql-query-editor .view-line').last().click();
  await page.keyboard.press('Control+End');
  await page.keyboard.type('query Wrong { noSuchField }');
  await page.locator('.graphiql-query-editor .squiggly-error').first().waitFor();
  await screenshot(page, '6-mistake');
  assert.deepEqual(troubles, []);
  await page.close();
});

/** The data that the API answers. */
async function ask(query, token) {
  const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) };
  const answer = await fetch(`${origin}/graphql`, { method: 'POST', headers, body: JSON.stringify({ query }) });
  const { data, errors } = await answer.json();
  assert.equal(errors, undefined);
  return data;
}

test('GraphiQL listens', async () => {
  const { page, troubles } = await open('/');
  await shows(page, '.graphiql-query-editor', 'query Movies');
  await page.locator('.graphiql-query-editor .view-line').first().click();
  await page.keyboard.press('Control+A');
  await page.keyboard.insertText('subscription Listen { commentAdded { comment { text } } }');
  // GraphiQL runs the operation that it last noticed, and names the tab after it.
  await page.getByRole('tab', { name: 'Listen' }).waitFor();
  await page.keyboard.press('Control+Enter');
  // Until the socket listens, a comment is no news: there is a new one until one is shown.
  const token = (await ask('mutation { logIn(input: { login: "member", password: "kinoteka-demo" }) { token } }')).logIn.token;
  const response = page.locator('.graphiql-response');
  const deadline = Date.now() + 60_000;
  for (let number = 1; !(await response.textContent()).includes('Слышно?'); number += 1) {
    assert.ok(Date.now() < deadline, 'no comment arrives');
    await ask(`mutation { addComment(input: { subjectId: "TW92aWU6MQ", text: "Слышно? ${number}" }) { comment { id } } }`, token);
    await page.waitForTimeout(200);
  }
  await screenshot(page, '7-listening');
  assert.deepEqual(troubles, []);
  await page.close();
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
  assert.match(await page.locator('header').textContent(), /scripts\/web/);
  assert.deepEqual(troubles, []);
  await page.close();
});

test('files are cached for good, pages are asked for again', async () => {
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
