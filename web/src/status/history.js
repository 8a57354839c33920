// The history since the page was opened: numbers for the plots, and events of each node.

import { bytes, role } from './format.js';

/** The points of ten minutes. */
const POINTS_MAX = 300;
const EVENTS_MAX = 100;

const points = [];
const events = [];
let last = null;

const lagOf = (document) =>
  document.cluster
    ? document.cluster.members.map((member) => [member.name, member.replayLagBytes])
    : (document.database?.replicas ?? []).map((replica) => [replica.name, replica.replayLagBytes]);

/** Operations per second of each server since the previous document. */
function rates(document) {
  const seconds = last ? (new Date(document.at) - new Date(last.at)) / 1000 : 0;
  return document.instances.map((instance) => {
    const before = last?.instances.find(({ name, startedS }) => name === instance.name && startedS === instance.startedS);
    const isKnown = before?.readiness && instance.readiness && seconds > 0;
    return [instance.name, isKnown ? (instance.operations - before.operations) / seconds : null];
  });
}

/** The text of an event line about a member. */
const describe = (member) =>
  member.silence ? `no response: ${member.silence}` : `${role(member.role)}, ${member.state}, timeline ${member.timeline ?? '?'}`;

function note(document) {
  const at = new Date(document.at);
  const add = (subject, text, state) => events.push({ at, subject, text, state });
  const before = new Map(last?.cluster?.members.map((member) => [member.name, describe(member)]));
  for (const member of document.cluster?.members ?? []) {
    const now = describe(member);
    if (before.get(member.name) !== now) add(member.name, now, member.silence ? 'bad' : 'plain');
    before.delete(member.name);
  }
  for (const name of before.keys()) add(name, 'gone: Patroni no longer lists it', 'bad');
  const key = (symptom) => `${symptom.name} ${symptom.subject}`;
  const known = new Set(last?.symptoms.map(key));
  const current = new Set(document.symptoms.map(key));
  for (const symptom of document.symptoms.filter((symptom) => !known.has(key(symptom)))) {
    add(symptom.subject, `${symptom.name}: ${symptom.text}`, symptom.severity === 'critical' ? 'bad' : 'waiting');
  }
  for (const symptom of (last?.symptoms ?? []).filter((symptom) => !current.has(key(symptom)))) {
    const member = document.cluster?.members.find(({ name }) => name === symptom.subject);
    const lag = member?.replayLagBytes === undefined || member.replayLagBytes === null ? '' : `, ${bytes(member.replayLagBytes)} behind`;
    add(symptom.subject, `${symptom.name} is over${lag}`, 'good');
  }
  events.splice(0, events.length - EVENTS_MAX);
}

/** Adds a document to the history. */
export function remember(document) {
  note(document);
  const connections = document.database?.connections;
  points.push({
    at: new Date(document.at) / 1000,
    lag: new Map(lagOf(document)),
    operations: new Map(rates(document)),
    connections: new Map(connections ? [['all', connections.total], ['active', connections.active]] : []),
  });
  points.splice(0, points.length - POINTS_MAX);
  last = document;
}

/** Records a missing document, as a gap in the lines. */
export function rememberGap() {
  points.push({ at: Date.now() / 1000, lag: new Map(), operations: new Map(), connections: new Map() });
}

/** Clears the history, since another user may look now. */
export function forget() {
  points.length = 0;
  events.length = 0;
  last = null;
}

/** The events of one node or of all, newest first. */
export const eventsOf = (subject) => events.filter((event) => !subject || event.subject === subject).toReversed();

/** The times, names and values of one kind of number, for one name or all. */
export function series(kind, name) {
  const names = [...new Set(points.flatMap((point) => [...point[kind].keys()]))].filter((each) => !name || each === name);
  const values = names.map((each) => points.map((point) => point[kind].get(each) ?? null));
  return { names: names.filter((_, at) => values[at].some((value) => value !== null)),
    data: [points.map((point) => point.at), ...values.filter((line) => line.some((value) => value !== null))] };
}
