// Creates elements, and updates those on the page.

/** Creates an element with properties, attributes (`attributes`) and children. Null children are skipped. */
export function make(tag, { attributes = {}, ...properties } = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
  element.append(...children.flat().filter((child) => child !== null));
  return element;
}

/** Makes `old` equal to `wanted`. Equal parts are not replaced, so that focus, selection and scroll positions stay. */
export function morph(old, wanted) {
  if (old.nodeName !== wanted.nodeName || old.id !== wanted.id) return old.replaceWith(wanted);
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== wanted.data) old.data = wanted.data;
    return;
  }
  for (const { name } of [...old.attributes]) {
    if (!wanted.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of wanted.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  const children = [...wanted.childNodes];
  while (old.childNodes.length > children.length) old.lastChild.remove();
  children.forEach((child, position) => {
    const before = old.childNodes[position];
    before ? morph(before, child) : old.append(child);
  });
}

/** A table with a caption. Rows are lists of cells, texts or elements. Null without rows. */
export function table(caption, headers, rows) {
  if (rows.length === 0) return null;
  const head = make('tr', {}, headers.map((text) => make('th', { textContent: text, scope: 'col' })));
  const cells = (row) => row.map((cell) => (cell instanceof HTMLTableCellElement ? cell : make('td', {}, cell ?? '')));
  const body = rows.map((row) => make('tr', {}, cells(row)));
  return make('div', { className: 'scroll', tabIndex: 0, attributes: { role: 'region', 'aria-label': caption } },
    make('table', {}, make('caption', { textContent: caption }), make('thead', {}, head), make('tbody', {}, body)));
}

/** A cell with a state: good, waiting or bad. */
export const stated = (state, text) => make('td', {}, make('span', { className: `state ${state}`, textContent: text }));
