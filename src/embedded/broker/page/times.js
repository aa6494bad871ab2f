// Times as people say them, by the broker's clock, which need not be this machine's. Elements made here are kept right by
// `turn`, called as time passes.

let offset = 0;

export const now = () => Date.now() + offset;

/** Takes the broker's time, in unix milliseconds. */
export function set(brokerNow) {
  offset = brokerNow - Date.now();
}

const UNITS = [[86_400_000, 'd'], [3_600_000, 'h'], [60_000, 'min'], [1_000, 's']];

/** A length in milliseconds, in its one or two largest units. */
export function length(ms) {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  const at = UNITS.findIndex(([size]) => ms >= size);
  const [size, name] = UNITS[at];
  const whole = Math.floor(ms / size);
  const [next, small] = UNITS[at + 1] ?? [];
  const rest = next ? Math.floor((ms % size) / next) : 0;
  return rest && whole < 10 ? `${whole} ${name} ${rest} ${small}` : `${whole} ${name}`;
}

function relative(at) {
  const ms = at - now();
  if (Math.abs(ms) < 1_000) return 'now';
  return ms > 0 ? `in ${length(ms)}` : `${length(-ms)} ago`;
}

const EXACT = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
export const exact = (at) => EXACT.format(at);

/** An element that says how far a moment is away. */
export function moment(at) {
  const element = document.createElement('time');
  element.dateTime = new Date(at).toISOString();
  element.title = exact(at);
  element.dataset.at = at;
  element.textContent = relative(at);
  return element;
}

export function turn() {
  for (const element of document.querySelectorAll('time[data-at]')) {
    const text = relative(Number(element.dataset.at));
    if (element.textContent !== text) element.textContent = text;
  }
}
