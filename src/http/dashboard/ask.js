// Every request goes through here, with the operator's secret, to our own origin. The secret rests in this tab, or on this
// device if its owner says so, and never in an address.

const KEY = 'cliprelay.secret';
const PATIENCE_MS = 20_000;
/** What changes something is let come to its end, the last of many included. */
const DEED_PATIENCE_MS = 45_000;
const KEPT = 12;

/** A refusal, or the service's absence (`status` 0). */
export class Trouble extends Error {
  constructor(status, text, { code = '', after = 0 } = {}) {
    super(text);
    Object.assign(this, { status, code, after });
  }
}

export const secret = () => sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY);

export function use(secret, remember) {
  forget();
  (remember ? localStorage : sessionStorage).setItem(KEY, secret);
}

export function forget() {
  sessionStorage.removeItem(KEY);
  localStorage.removeItem(KEY);
  kept.clear();
}

/** Answers by their address, so that one which has not changed need not be sent again. */
const kept = new Map();

/** What is asked for as JSON. An unchanged answer is the same object again. */
export async function ask(method, path, { query = {}, body, bearer = secret() } = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== '');
  const url = given.length ? `${path}?${new URLSearchParams(given)}` : path;
  const known = method === 'GET' ? kept.get(url) : undefined;
  const headers = { accept: 'application/json' };
  if (bearer) headers.authorization = `Bearer ${bearer}`;
  if (known) headers['if-none-match'] = known.tag;
  if (body !== undefined) headers['content-type'] = 'application/json';
  let answer, text;
  try {
    const signal = AbortSignal.timeout((method === 'GET' ? PATIENCE_MS : DEED_PATIENCE_MS) + 1_000 * (query.wait ?? 0));
    const sent = body === undefined ? undefined : JSON.stringify(body);
    answer = await fetch(url, { method, headers, body: sent, signal, cache: 'no-store', credentials: 'omit' });
    text = await answer.text();
  } catch (error) {
    throw new Trouble(0, error.name === 'TimeoutError' ? 'Cliprelay takes too long to answer.' : 'Cliprelay cannot be reached.');
  }
  if (answer.status === 304 && known) return known.data;
  const data = parsed(text);
  if (!answer.ok) throw trouble(answer, data);
  const tag = answer.headers.get('etag');
  if (tag && method === 'GET') {
    kept.delete(url);
    kept.set(url, { tag, data });
    if (kept.size > KEPT) kept.delete(kept.keys().next().value);
  }
  return data;
}

export const get = (path, query) => ask('GET', path, { query });
export const post = (path, body) => ask('POST', path, { body });

/** The same, and `null` where there is no such thing. */
export async function find(path, query) {
  try {
    return await get(path, query);
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
}

function trouble(answer, data) {
  const after = Number(answer.headers.get('retry-after')) || 0;
  const text = data?.detail ?? data?.error ?? `Cliprelay answered ${answer.status}.`;
  return new Trouble(answer.status, text, { code: data?.code ?? '', after });
}

function parsed(text) {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}
