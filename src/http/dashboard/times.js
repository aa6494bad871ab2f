// Times as people say them, by the service's clock, which need not be this machine's: local ones, with UTC beside them for who
// compares with logs. Elements made here are kept right by `turn`, called as time passes.

let offset = 0;

export const now = () => Date.now() + offset;

/** Takes the service's time. */
export function set(theirs) {
  const at = Date.parse(theirs);
  if (!Number.isNaN(at)) offset = at - Date.now();
}

const UNITS = [[86_400_000, 'd'], [3_600_000, 'h'], [60_000, 'min'], [1_000, 's']];

/** A length in milliseconds, in its one or two largest units. */
export function length(ms) {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 9_950) return `${(ms / 1_000).toFixed(1)} s`;
  const at = UNITS.findIndex(([size]) => ms >= size);
  const [size, name] = UNITS[at];
  const [next, small] = UNITS[at + 1] ?? [];
  const whole = next ? Math.floor(ms / size) : Math.round(ms / size);
  const rest = next ? Math.floor((ms % size) / next) : 0;
  return rest && whole < 10 ? `${whole} ${name} ${rest} ${small}` : `${whole} ${name}`;
}

/** How far away, in the largest unit alone: it is read in passing, and the title says it exactly. */
function relative(at) {
  const ms = at - now();
  const away = Math.abs(ms);
  if (away < 1_500) return 'now';
  const [size, name] = UNITS.find(([size]) => away >= size);
  const said = `${Math.floor(away / size)} ${name}`;
  return ms > 0 ? `in ${said}` : `${said} ago`;
}

const LOCAL = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false });
const DAY = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });

const utc = (at) => new Date(at).toISOString().replace('T', ' ').replace('Z', ' UTC');
const titled = (at) => `${LOCAL.format(at)} here · ${utc(at)}`;

function element(at, words) {
  const time = document.createElement('time');
  time.dateTime = new Date(at).toISOString();
  time.title = titled(at);
  time.textContent = words;
  return time;
}

/** An element that says how far a moment is away; nothing where there is none. */
export function moment(stamp) {
  if (!stamp) return null;
  const at = Date.parse(stamp);
  const time = element(at, relative(at));
  time.dataset.at = at;
  return time;
}

/** An element that says when it was, to the second. */
export function clock(stamp) {
  if (!stamp) return null;
  const at = Date.parse(stamp);
  const day = DAY.format(at);
  return element(at, day === DAY.format(now()) ? CLOCK.format(at) : `${day} ${CLOCK.format(at)}`);
}

/** When it was, and how long ago that is. */
export const both = (stamp) => {
  if (!stamp) return null;
  const span = document.createElement('span');
  span.append(clock(stamp), ' · ', moment(stamp));
  return span;
};

/** An element that says how long something has been going on. */
export function since(stamp) {
  const at = Date.parse(stamp);
  const time = element(at, '');
  time.dataset.since = at;
  tick(time);
  return time;
}

function tick(time) {
  const { at, since } = time.dataset;
  const words = since ? length(Math.max(0, Math.floor((now() - Number(since)) / 1_000) * 1_000)) : relative(Number(at));
  if (time.textContent !== words) time.textContent = words;
}

export function turn() {
  for (const time of document.querySelectorAll('time[data-at], time[data-since]')) tick(time);
}

/** How long it was from one moment to another. */
export const between = (from, to) => length(Math.max(0, Date.parse(to) - Date.parse(from)));
