// Renders docs/monitoring.md into monitoring.html when the pages are built, so that what to do is one click away from a
// symptom, also without another network.

import { readFileSync } from 'node:fs';

import MarkdownIt from 'markdown-it';

const source = new URL('../docs/monitoring.md', import.meta.url);
const markdown = new MarkdownIt();

/** The anchor that GitHub gives a heading. */
const slug = (text) => text.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-');

markdown.renderer.rules.heading_open = (tokens, index) => {
  const { tag } = tokens[index];
  return `<${tag} id="${slug(tokens[index + 1].content)}" tabindex="-1">`;
};

// What is too wide is scrolled, also by keyboard.
const { fence } = markdown.renderer.rules;
markdown.renderer.rules.fence = (...given) => fence(...given).replace('<pre>', '<pre tabindex="0">');
markdown.renderer.rules.table_open = () => '<table tabindex="0">';
// A corner without text heads nothing.
const isCorner = (tokens, index, step) => tokens[index + step].content === '';
markdown.renderer.rules.th_open = (tokens, index) => (isCorner(tokens, index, 1) ? '<td>' : '<th scope="col">');
markdown.renderer.rules.th_close = (tokens, index) => (isCorner(tokens, index, -1) ? '</td>' : '</th>');

// What is beside the document is not beside the page: pictures and links to other documents are left out.
markdown.renderer.rules.image = () => '';
const isKept = (token) => /^(#|https?:)/.test(token.attrGet('href'));
const kept = [];
markdown.renderer.rules.link_open = (tokens, index, options, env, self) => {
  kept.push(isKept(tokens[index]));
  return kept.at(-1) ? self.renderToken(tokens, index, options) : '';
};
markdown.renderer.rules.link_close = () => (kept.pop() ? '</a>' : '');

export const guide = {
  name: 'guide',
  transformIndexHtml: (html) =>
    html.replace('<!-- docs/monitoring.md -->', () => markdown.render(readFileSync(source, 'utf8'))),
};
