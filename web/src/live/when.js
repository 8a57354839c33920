// Relative times, such as "2 minutes ago".

const UNITS = [
  ['year', 31_557_600],
  ['month', 2_629_800],
  ['week', 604_800],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
];
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
const full = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short' });

/** The time elapsed since `time`, in the largest unit that fits. */
export function ago(time, now = Date.now()) {
  const seconds = (Date.parse(time) - now) / 1000;
  const unit = UNITS.find(([, length]) => Math.abs(seconds) >= length);
  return unit ? relative.format(Math.trunc(seconds / unit[1]), unit[0]) : 'just now';
}

/** Writes a time into a `<time>` element. `keepTimes` keeps it current. */
export function showTime(element, time) {
  element.dateTime = time;
  element.title = full.format(new Date(time));
  element.textContent = ago(time);
}

/** Updates all times below `root` periodically. */
export function keepTimes(root) {
  setInterval(() => {
    for (const element of root.querySelectorAll('time')) {
      const text = ago(element.dateTime);
      if (element.textContent !== text) element.textContent = text;
    }
  }, 15_000);
}
