// Formats numbers for display.

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** Bytes with a unit; empty if unknown. */
export function bytes(count) {
  if (count === null || count === undefined) return '';
  let unit = 0;
  while (count >= 1024 && unit + 1 < UNITS.length) [count, unit] = [count / 1024, unit + 1];
  return `${unit === 0 ? count : count.toFixed(1)} ${UNITS[unit]}`;
}

/** Seconds, or a longer time. */
export function seconds(count) {
  if (count === null || count === undefined) return '';
  if (count < 120) return `${count < 10 ? Number(count.toFixed(1)) : Math.round(count)} s`;
  if (count < 7_200) return `${Math.round(count / 60)} min`;
  return count < 172_800 ? `${Math.round(count / 3_600)} h` : `${Math.round(count / 86_400)} days`;
}

/** The time of day. */
export const clock = (date) => date.toLocaleTimeString([], { hour12: false });

/** A role such as `quorum_standby`, as patronictl shows it. */
export const role = (name) => name.split('_').map((word) => word[0].toUpperCase() + word.slice(1)).join(' ');
