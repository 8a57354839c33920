// The views: the overview, and one node.

import { make, stated, table } from './dom.js';
import { bytes, clock, role, seconds } from './format.js';
import { eventsOf } from './history.js';

const WELL = ['running', 'streaming'];
const memberState = ({ silence, state }) => (silence || !WELL.includes(state) ? 'bad' : 'good');
const number = (value) => value?.toLocaleString() ?? '';
/** What a server has counted; unknown if it does not respond. */
const counted = (instance, what) => (instance.readiness ? number(instance[what]) : '');
const restart = (member) => (member.isRestartPending ? stated('waiting', 'pending') : null);

function nodeLink(name) {
  return make('th', { scope: 'row' }, make('a', { href: `#${encodeURIComponent(name)}`, id: `link-${name}`, textContent: name }));
}

function cluster({ cluster }) {
  if (!cluster) return [];
  const id = cluster.systemIdentifier ? ` (${cluster.systemIdentifier})` : '';
  const rows = cluster.members.map((member) => [
    nodeLink(member.name), member.host, role(member.role), stated(memberState(member), member.silence ? 'no response' : member.state),
    member.timeline, member.receiveLsn, bytes(member.receiveLagBytes), member.replayLsn, bytes(member.replayLagBytes), restart(member),
  ]);
  const headers = ['Member', 'Host', 'Role', 'State', 'TL', 'Receive LSN', 'Lag', 'Replay LSN', 'Lag', 'Restart'];
  const paused = 'Maintenance mode: Patroni does not promote replicas.';
  return [table(`Cluster ${cluster.scope}${id}`, headers, rows), cluster.isPaused ? make('p', { textContent: paused }) : null];
}

const READINESS = { full: 'good', 'read-only': 'waiting' };

function servers({ instances }) {
  const pools = ({ pools }) => pools.map(({ name, inUse, max }) => `${name} ${inUse}/${max}`).join(', ');
  const feed = ({ feed }) => feed && stated(feed.isConnected ? 'good' : 'bad', feed.isConnected ? 'connected' : 'disconnected');
  const rows = instances.map((instance) => [
    make('th', { scope: 'row', textContent: instance.name }),
    stated(READINESS[instance.readiness] ?? 'bad', instance.readiness ?? 'no response'),
    instance.database, instance.version, instance.timeline, seconds(instance.replicaLagS), counted(instance, 'operations'),
    counted(instance, 'errors'), bytes(instance.memoryBytes), feed(instance), number(instance.feed?.listeners), pools(instance),
  ]);
  const headers = ['Server', 'State', 'Database', 'Version', 'TL', 'Replica lag', 'Operations', 'Errors', 'Memory', 'Feed',
    'Listeners', 'Pools: in use of max'];
  return table('Servers', headers, rows);
}

function database({ database, cluster }) {
  if (!database) return [];
  const { connections: its } = database;
  const facts = `PostgreSQL ${database.version}, database ${database.name}, ${bytes(database.sizeBytes)}. Connections: ` +
    `${its.total} of ${its.max}; ${its.active} active, ${its.idle} idle, ${its.idleInTransaction} idle in a transaction, ` +
    `${its.waitingForLocks} waiting for locks.`;
  const link = (name) => (cluster ? name : nodeLink(name));
  const replicas = database.replicas.map((replica) => [
    link(replica.name), replica.state, replica.syncState, bytes(replica.receiveLagBytes), bytes(replica.replayLagBytes),
    seconds(replica.replayLagS),
  ]);
  const slots = database.slots.map((slot) => [slot.name, slot.isActive ? 'in use' : 'not in use', bytes(slot.keptBytes)]);
  const statements = (database.statements ?? []).map((statement) => [
    seconds(statement.totalS), number(statement.calls), `${statement.meanMs.toFixed(2)} ms`, number(statement.rows),
    make('td', { className: 'query' }, make('code', { textContent: statement.query })),
  ]);
  return [
    make('h2', { textContent: 'Database' }),
    make('p', { textContent: facts }),
    table('Replication', ['Replica', 'State', 'Sync', 'Not received', 'Not replayed', 'Replay lag'], replicas),
    table('Slots', ['Slot', 'State', 'WAL kept'], slots),
    table('Statements by time', ['Total', 'Calls', 'Mean', 'Rows', 'Statement'], statements),
  ];
}

function sources({ sources }) {
  const flags = { patroni: '--patroni-url', monitor: '--monitor-url', instances: '--instances' };
  const lines = sources.map(({ name, address, trouble, remedy }) => {
    const text = trouble ? `${trouble}. Remedy: ${remedy}.` : address ? `at ${address}` : `not configured; set ${flags[name]}`;
    return make('li', { className: trouble ? 'state bad' : 'state plain' }, make('b', { textContent: name }), `: ${text}`);
  });
  return [make('h2', { textContent: 'Sources' }), make('ul', { className: 'sources' }, lines)];
}

/** The history as a list. */
function events(title, subject, count) {
  const lines = eventsOf(subject).slice(0, count).map((event) =>
    make('li', { className: `state ${event.state}` }, make('time', { textContent: clock(event.at) }),
      ` ${subject ? '' : `${event.subject ?? ''} `}${event.text}`));
  if (lines.length === 0) return [];
  return [make('h2', { textContent: title }), make('ol', { className: 'events' }, lines)];
}

/** The overview above the plots. */
export function overview(document) {
  return make('div', { id: 'view' }, cluster(document), servers(document), events('History since the page was opened', null, 8));
}

/** The tables below the plots. */
export const details = (document) => make('div', { id: 'more' }, database(document), sources(document));

function facts(pairs) {
  const known = pairs.filter(([, value]) => value !== null && value !== undefined && value !== '');
  return make('dl', {}, known.flatMap(([name, value]) => [make('dt', { textContent: name }), make('dd', {}, value)]));
}

/** One node: its facts and its history. */
export function node(document, name) {
  const member = document.cluster?.members.find((each) => each.name === name);
  const replica = document.database?.replicas.find((each) => each.name === name);
  const slot = document.database?.slots.find((each) => each.name === name);
  const back = make('p', {}, make('a', { href: '#', id: 'back', textContent: '← All nodes' }));
  const title = make('h2', { id: 'node-title', textContent: `Node ${name}` });
  if (!member && !replica) {
    return make('div', { id: 'view' }, back, title, make('p', { textContent: 'This node is not known at the moment.' }),
      events('History', name, 50));
  }
  return make('div', { id: 'view' }, back, title, facts([
    ['Role', member && role(member.role)],
    ['State', make('span', { className: `state ${member ? memberState(member) : 'plain'}`, textContent: member?.silence ?? member?.state ?? replica.state })],
    ['Host', member?.host],
    ['Timeline', member?.timeline],
    ['Versions', member?.postgresVersion && `PostgreSQL ${member.postgresVersion}, Patroni ${member.patroniVersion}`],
    ['Received', member?.receiveLsn ?? replica?.receiveLsn],
    ['Not received', bytes(member?.receiveLagBytes ?? replica?.receiveLagBytes)],
    ['Replayed', member?.replayLsn ?? replica?.replayLsn],
    ['Not replayed', bytes(member?.replayLagBytes ?? replica?.replayLagBytes)],
    ['Replay lag', seconds(replica?.replayLagS)],
    ['Last transaction replayed', member?.replayedAt],
    ['Synchronous state', replica?.syncState],
    ['WAL kept for its slot', slot && bytes(slot.keptBytes)],
    ['Restart', member?.isRestartPending ? 'pending' : null],
  ]), events('History', name, 50));
}

/** The faults as a list, each with its effect and a link to the remedy. */
export function symptoms(document, name) {
  const its = document.symptoms.filter((symptom) => !name || symptom.subject === name || symptom.subject === null);
  return make('ul', { id: 'symptoms', attributes: { 'aria-live': 'polite', 'aria-label': 'Faults' } }, its.map((symptom) => {
    const anchor = symptom.guide.split('#')[1];
    const isMember = document.cluster?.members.some((member) => member.name === symptom.subject) && !name;
    return make('li', { className: symptom.severity },
      make('p', {}, make('b', { textContent: symptom.name }), ' ', symptom.text),
      make('p', { className: 'effect', textContent: symptom.effect }),
      make('p', {},
        make('a', { href: `monitoring#${anchor}`, target: '_blank', rel: 'noopener', textContent: 'What to do' }),
        isMember ? ' · ' : '',
        isMember ? make('a', { href: `#${encodeURIComponent(symptom.subject)}`, textContent: `History of ${symptom.subject}` }) : '',
        make('span', { className: 'age', attributes: { 'aria-hidden': 'true' }, textContent: ` (for ${seconds(symptom.forS)})` })),
    );
  }));
}
