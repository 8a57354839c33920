// Renders docs/monitoring.md into monitoring.html at build time, so that each symptom can link to its remedy, even without
// access to other networks.

import { readFileSync } from 'node:fs';

import MarkdownIt from 'markdown-it';

const source = new URL('../docs/monitoring.md', import.meta.url);
const markdown = new MarkdownIt();

/** The anchor of a heading, as on GitHub. */
const slug = (text) => text.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-');

markdown.renderer.rules.heading_open = (tokens, index) => {
  const { tag } = tokens[index];
  return `<${tag} id="${slug(tokens[index + 1].content)}" tabindex="-1">`;
};

// Wide blocks scroll, also by keyboard.
const { fence } = markdown.renderer.rules;
markdown.renderer.rules.fence = (...given) => fence(...given).replace('<pre>', '<pre tabindex="0">');
markdown.renderer.rules.table_open = () => '<table tabindex="0">';
// An empty corner is not a header.
const isCorner = (tokens, index, step) => tokens[index + step].content === '';
markdown.renderer.rules.th_open = (tokens, index) => (isCorner(tokens, index, 1) ? '<td>' : '<th scope="col">');
markdown.renderer.rules.th_close = (tokens, index) => (isCorner(tokens, index, -1) ? '</td>' : '</th>');

// Pictures and links to other documents are removed: the page does not have these files.
markdown.renderer.rules.image = () => '';
const staysLink = (token) => /^(#|https?:)/.test(token.attrGet('href'));
const openLinks = [];
markdown.renderer.rules.link_open = (tokens, index, options, env, self) => {
  openLinks.push(staysLink(tokens[index]));
  return openLinks.at(-1) ? self.renderToken(tokens, index, options) : '';
};
markdown.renderer.rules.link_close = () => (openLinks.pop() ? '</a>' : '');

export const guide = {
  name: 'guide',
  transformIndexHtml: (html) =>
    html.replace('<!-- docs/monitoring.md -->', () => markdown.render(readFileSync(source, 'utf8'))),
};
