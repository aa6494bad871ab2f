// Every request goes through here, with the reader's token, to our own origin. The token rests in this tab alone.

const KEY = 'cliprelay.broker.token';
const PATIENCE_MS = 20_000;

/** The broker's refusal, or its absence (`status` 0). */
export class Trouble extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

export const token = () => sessionStorage.getItem(KEY);
export const use = (token) => sessionStorage.setItem(KEY, token);
export const forget = () => sessionStorage.removeItem(KEY);

/** What is asked for as JSON; `null` where the answer has no body. */
export async function ask(method, path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== '');
  const search = given.length ? `?${new URLSearchParams(given)}` : '';
  const headers = token() ? { authorization: `Bearer ${token()}` } : {};
  let answer, text;
  try {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    answer = await fetch(path + search, { method, headers, signal, cache: 'no-store', credentials: 'omit' });
    text = await answer.text();
  } catch (error) {
    throw new Trouble(0, error.name === 'TimeoutError' ? 'The broker takes too long to answer.' : 'The broker cannot be reached.');
  }
  const body = parsed(text);
  if (!answer.ok) throw new Trouble(answer.status, body?.error ?? `The broker answered ${answer.status}.`);
  return body;
}

/** The same, and `null` where there is no such thing. */
export async function find(path, query) {
  try {
    return await ask('GET', path, query);
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
}

function parsed(text) {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}

/** Base64 as the text it is, or a word on its size. */
export function decoded(base64) {
  if (!base64) return '';
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return `(${bytes.length} bytes that are no text)`;
  }
}
