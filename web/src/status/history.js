// What this page has seen since it was opened: numbers for the plots, and what has happened to each node.

import { bytes, role } from './format.js';

/** Ten minutes. */
const POINTS_MAX = 300;
const EVENTS_MAX = 100;

const points = [];
const events = [];
let last = null;

const lagOf = (document) =>
  document.cluster
    ? document.cluster.members.map((member) => [member.name, member.replayLagBytes])
    : (document.database?.replicas ?? []).map((replica) => [replica.name, replica.replayLagBytes]);

/** Operations a second of each server since the document before. */
function rates(document) {
  const seconds = last ? (new Date(document.at) - new Date(last.at)) / 1000 : 0;
  return document.instances.map((instance) => {
    const before = last?.instances.find(({ name, startedS }) => name === instance.name && startedS === instance.startedS);
    const isKnown = before?.readiness && instance.readiness && seconds > 0;
    return [instance.name, isKnown ? (instance.operations - before.operations) / seconds : null];
  });
}

/** What an event line says of a member. */
const describe = (member) =>
  member.silence ? `silent: ${member.silence}` : `${role(member.role)}, ${member.state}, timeline ${member.timeline ?? '?'}`;

function note(document) {
  const at = new Date(document.at);
  const add = (subject, text, state) => events.push({ at, subject, text, state });
  const before = new Map(last?.cluster?.members.map((member) => [member.name, describe(member)]));
  for (const member of document.cluster?.members ?? []) {
    const now = describe(member);
    if (before.get(member.name) !== now) add(member.name, now, member.silence ? 'bad' : 'plain');
    before.delete(member.name);
  }
  for (const name of before.keys()) add(name, 'gone: Patroni does not list it any more', 'bad');
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

/** Remembers a document. */
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

/** Remembers that there is no document: lines have a gap then. */
export function rememberSilence() {
  points.push({ at: Date.now() / 1000, lag: new Map(), operations: new Map(), connections: new Map() });
}

/** Forgets all: somebody else may look now. */
export function forget() {
  points.length = 0;
  events.length = 0;
  last = null;
}

/** What has happened, of one node or of all, the latest first. */
export const story = (subject) => events.filter((event) => !subject || event.subject === subject).toReversed();

/** Times, names and values of one kind of numbers, of one name or of all. */
export function series(kind, name) {
  const names = [...new Set(points.flatMap((point) => [...point[kind].keys()]))].filter((each) => !name || each === name);
  const values = names.map((each) => points.map((point) => point[kind].get(each) ?? null));
  return { names: names.filter((_, at) => values[at].some((value) => value !== null)),
    data: [points.map((point) => point.at), ...values.filter((line) => line.some((value) => value !== null))] };
}
