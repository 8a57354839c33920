// Makes the pictures of README.md from a running server (KINOTEKA_URL is its origin) and writes them to the given folder.
// Run by `scripts/test-ide --pictures`.

import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';

import { ask, launch, logIn, newPage, shows } from './browser.js';

const origin = new URL(process.env.KINOTEKA_URL).origin;
const folder = process.argv[2];
const BYTES_MAX = 120_000;
const MOVIE = Buffer.from('Movie:67').toString('base64url');

async function save(page, name) {
  const path = join(folder, `${name}.png`);
  await page.screenshot({ path });
  const { size } = await stat(path);
  assert.ok(size < BYTES_MAX, `${path} has ${size} bytes`);
  console.log(path, size);
}

async function say(token, input) {
  const { addComment } = await ask(origin, `mutation { addComment(input: { ${input} }) { comment { id } } }`, token);
  return addComment.comment.id;
}

async function enterAs(page, username) {
  await page.locator('.bar').getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('button', { name: `Log in as ${username}` }).click();
  await page.locator('.bar .who', { hasText: username }).waitFor();
}

const { browser, close } = await launch();
try {
  const viewport = { width: 1100, height: 640 };
  const ide = await newPage(browser, origin, { viewport });
  await ide.page.goto(origin);
  await shows(ide.page, '.graphiql-query-editor', 'query Movies');
  await enterAs(ide.page, 'member');
  await ide.page.getByRole('button', { name: /^Execute query/ }).click();
  await shows(ide.page, '.graphiql-response', '"title": "Обещание вокзала"');
  await save(ide.page, 'ide');

  const [member, editor] = [await logIn(origin, 'member'), await logIn(origin, 'editor')];
  await say(editor, `subjectId: "${MOVIE}", text: "Пересмотрел вчера: финал по-прежнему лучший в этом жанре."`);
  const question = await say(member, `subjectId: "${MOVIE}", text: "Кто-нибудь знает, где снимали сцену на мосту?"`);
  const live = await newPage(browser, origin, { viewport: { width: 800, height: 760 } });
  await live.page.goto(`${origin}/live?subject=${MOVIE}`);
  await enterAs(live.page, 'member');
  await live.page.locator('#state', { hasText: 'connected' }).waitFor();
  await say(editor, `parentId: "${question}", text: "В Выборге, весной. Об этом есть публикация."`);
  await live.page.locator('.replies .text', { hasText: 'В Выборге' }).waitFor();
  // New comments are highlighted for a few seconds.
  await live.page.waitForFunction(() => document.getAnimations().length === 0);
  await save(live.page, 'live');
} finally {
  await close();
}
