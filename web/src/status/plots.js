// The plots: lines over the time since the page was opened.

import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

import { make } from './dom.js';
import { bytes, clock } from './format.js';
import { series } from './history.js';

const PLOTS = [
  { kind: 'lag', title: 'Not replayed', show: bytes, ofNode: true, steps: Array.from({ length: 44 }, (_, power) => 2 ** power) },
  { kind: 'operations', title: 'Operations per second', show: (value) => (value === null ? '' : value.toFixed(1)) },
  { kind: 'connections', title: 'Connections to PostgreSQL', show: (value) => value ?? '' },
];
/** Steps of the time axis. */
const SECONDS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600];
const LINES = ['--line-1', '--line-2', '--line-3', '--line-4'];

const section = document.getElementById('plots');
const drawn = new Map();
/** A colour of the theme, in the form that a canvas needs. */
function resolve(name) {
  const probe = make('span', { style: `color: var(${name})` });
  section.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

function open(plot, names, width) {
  const [text, line] = [resolve('--quiet'), resolve('--line')];
  const axis = { stroke: text, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
  const lines = names.map((name, at) => ({
    label: name,
    stroke: resolve(LINES[at % LINES.length]),
    width: 2,
    dash: at >= LINES.length ? [6, 4] : undefined,
    value: (_, value) => plot.show(value),
  }));
  const options = {
    width,
    height: 190,
    cursor: { drag: { x: false, y: false } },
    scales: { y: { range: (_, min, max) => [0, Math.max(max ?? 0, 1) * 1.1] } },
    axes: [
      { ...axis, incrs: SECONDS, space: 80, values: (_, times) => times.map((time) => clock(new Date(time * 1000))) },
      { ...axis, incrs: plot.steps, size: 80, values: (_, values) => values.map(plot.show) },
    ],
    series: [{ label: 'time', value: '{HH}:{mm}:{ss}' }, ...lines],
  };
  const body = make('div');
  const figure = make('figure', {}, make('figcaption', { textContent: plot.title }), body);
  section.append(figure);
  return { figure, chart: new uPlot(options, [[]], body), names: names.join('\n') };
}

function close(kind) {
  drawn.get(kind)?.chart.destroy();
  drawn.get(kind)?.figure.remove();
  drawn.delete(kind);
}

/** The width of a plot: the inner width of its figure. */
function widthOf() {
  const probe = make('figure');
  section.append(probe);
  const { paddingLeft, paddingRight } = getComputedStyle(probe);
  const width = probe.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight);
  probe.remove();
  return Math.max(Math.floor(width), 200);
}

/** Draws the plots, or those of one node. */
export function draw(node) {
  section.classList.toggle('one', node !== null);
  for (const plot of PLOTS) {
    const { names, data } = series(plot.kind, plot.ofNode ? node : null);
    if (names.length === 0 || (node && !plot.ofNode)) {
      close(plot.kind);
      continue;
    }
    if (drawn.get(plot.kind)?.names !== names.join('\n')) {
      close(plot.kind);
      drawn.set(plot.kind, open(plot, names, widthOf()));
    }
    drawn.get(plot.kind).chart.setData(data);
  }
}

/** Redraws the plots, for other colours or another width. */
export function redraw(node) {
  [...drawn.keys()].forEach(close);
  draw(node);
}
