// Shared by the tests of the pages: Chromium, checked pages, screenshots, axe.

import assert from 'node:assert/strict';
import { readFile, rm, mkdtemp } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { chromium } from 'playwright-core';

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** The width and height of a phone. */
export const PHONE = { width: 390, height: 780 };

/** Starts Chromium with an empty profile. `close` stops it and removes the profile. */
export async function launch() {
  const profile = await mkdtemp(join(tmpdir(), 'kinoteka-chromium-'));
  const browser = await chromium.launchPersistentContext(profile, {
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
  // Catches hangs.
  browser.setDefaultTimeout(60_000);
  const close = async () => {
    await browser.close();
    await rm(profile, { recursive: true, force: true });
  };
  return { browser, close };
}

/** A new page, and its faults: exceptions, violations of the Content-Security-Policy, requests to other origins. */
export async function newPage(browser, origin, { viewport, colorScheme = 'light' } = {}) {
  const page = await browser.newPage();
  const troubles = [];
  page.on('pageerror', (error) => troubles.push(`exception: ${error}`));
  // On the browser, to include the requests of workers.
  browser.on('request', (request) => {
    const url = new URL(request.url());
    if (url.origin !== origin && !['data:', 'blob:'].includes(url.protocol)) {
      troubles.push(`request to another origin: ${url}`);
    }
  });
  await page.exposeFunction('trouble', (text) => troubles.push(text));
  await page.addInitScript(() =>
    document.addEventListener('securitypolicyviolation', (event) =>
      window.trouble(`policy: ${event.violatedDirective} ${event.blockedURI}`),
    ),
  );
  if (viewport) await page.setViewportSize(viewport);
  await page.emulateMedia({ colorScheme });
  return { page, troubles };
}

/** Saves a screenshot of a page if KINOTEKA_SCREENSHOTS is set. */
export async function screenshot(page, name) {
  if (process.env.KINOTEKA_SCREENSHOTS) {
    await page.screenshot({ path: join(process.env.KINOTEKA_SCREENSHOTS, `${name}.png`) });
  }
}

/** Fails if axe finds a violation on a page. */
export async function isAccessible(page, name) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  const found = violations.map(({ id, help, nodes }) => {
    const shown = nodes.slice(0, 5).map(({ html, any, all, none }) => {
      const why = [...any, ...all, ...none].map(({ message }) => message);
      return `\n  ${html.slice(0, 200)}: ${why.join('; ')}`;
    });
    return `${id} (${nodes.length}): ${help}${shown.join('')}`;
  });
  assert.ok(found.length === 0, `${name}:\n${found.join('\n')}`);
}

/** Fails if a page is wider than its window. */
export async function fits(page) {
  const [shown, wide] = await page.evaluate(() => [innerWidth, document.documentElement.scrollWidth]);
  assert.ok(wide <= shown, `${wide} pixels in a window of ${shown}`);
}

/** The data of the API's response. */
export async function ask(origin, query, token) {
  const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) };
  const response = await fetch(`${origin}/graphql`, { method: 'POST', headers, body: JSON.stringify({ query }) });
  const { data, errors } = await response.json();
  assert.equal(errors, undefined);
  return data;
}

/** A new token of a demo account. */
export async function logIn(origin, username) {
  return (await ask(origin, `mutation { logIn(input: { login: "${username}", password: "kinoteka-demo" }) { token } }`)).logIn.token;
}

/** Logs in with the form in the bar. */
export async function enter(page, username, password) {
  await page.locator('.bar').getByRole('button', { name: 'Log in' }).click();
  const form = page.getByRole('dialog');
  await form.getByLabel('Username or email address').fill(username);
  await form.getByLabel('Password').fill(password);
  await form.getByRole('button', { name: 'Log in', exact: true }).click();
  await form.waitFor({ state: 'hidden' });
}

/** Waits until the editor `selector` of GraphiQL shows `text`. Monaco writes spaces as no-break spaces. */
export async function shows(page, selector, text, timeout = 60_000) {
  await page.waitForFunction(
    ([selector, text]) => {
      const shown = document.querySelector(selector)?.textContent ?? '';
      return shown.replaceAll('\u00a0', ' ').includes(text);
    },
    [selector, text],
    { timeout },
  );
}

/** Runs a named operation in a new tab of GraphiQL. */
export async function runInNewTab(page, operation) {
  const [, name] = /(?:query|mutation|subscription) (\w+)/.exec(operation);
  await page.getByRole('button', { name: 'New tab' }).click();
  await shows(page, '.graphiql-query-editor', 'Ctrl+Space completes, Ctrl+Enter runs.');
  await page.locator('.graphiql-query-editor .view-line').first().click();
  await page.keyboard.press('Control+A');
  await page.keyboard.insertText(operation);
  // GraphiQL runs the last operation that it parsed, and names the tab after it.
  await page.getByRole('button', { name, exact: true }).last().waitFor();
  await page.getByRole('button', { name: /^Execute query/ }).click();
}
