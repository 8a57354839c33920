// Chromium for the tests of pages.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { chromium } from 'playwright-core';

/** A browser with a profile of its own; `close` ends it and removes that. */
export async function launch() {
  const profile = await mkdtemp(join(tmpdir(), 'kinoteka-chromium-'));
  const browser = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.KINOTEKA_CHROMIUM ?? '/usr/bin/chromium',
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync'],
  });
  // Catches what hangs.
  browser.setDefaultTimeout(60_000);
  const close = async () => {
    await browser.close();
    await rm(profile, { recursive: true, force: true });
  };
  return { browser, close };
}

/** Opens a page and gathers what must not happen on it: exceptions, violations of its policy, requests to elsewhere. */
export async function open(browser, origin, path, { viewport = { width: 1280, height: 900 }, colorScheme = 'light' } = {}) {
  const page = await browser.newPage();
  const troubles = [];
  page.on('pageerror', (error) => troubles.push(`exception: ${error}`));
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.origin !== origin && !['data:', 'blob:'].includes(url.protocol)) troubles.push(`elsewhere: ${url}`);
  });
  await page.exposeFunction('trouble', (text) => troubles.push(text));
  await page.addInitScript(() =>
    document.addEventListener('securitypolicyviolation', (event) =>
      window.trouble(`policy: ${event.violatedDirective} ${event.blockedURI}`),
    ),
  );
  await page.setViewportSize(viewport);
  await page.emulateMedia({ colorScheme });
  await page.goto(`${origin}${path}`);
  return { page, troubles };
}

/** Keeps a picture in the folder KINOTEKA_SCREENSHOTS, if it is set. */
export async function screenshot(page, name, options = {}) {
  if (process.env.KINOTEKA_SCREENSHOTS) {
    await page.screenshot({ path: join(process.env.KINOTEKA_SCREENSHOTS, `${name}.png`), ...options });
  }
}

/** Logs in by the form of the bar. */
export async function logIn(page, username, password) {
  await page.locator('.bar button', { hasText: 'Log in' }).click();
  const form = page.getByRole('dialog');
  await form.getByLabel('Username or email address').fill(username);
  await form.getByLabel('Password').fill(password);
  await form.getByRole('button', { name: 'Log in', exact: true }).click();
  await form.waitFor({ state: 'hidden' });
}
