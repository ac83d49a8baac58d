// Requests to the console's API. Each names the cluster that was chosen; a
// change carries the session's token. What fails is an ApiError with the
// server's words and its advice.
import { recall, remember } from './store.js';
import { t } from './i18n.js';
import { here } from './router.js';

const base = 'api/v1';
let session = null;
const watchers = new Set();

export class ApiError extends Error {
  constructor(status, { error, fix, code }) {
    super(error);
    Object.assign(this, { status, fix, code });
  }
}

export const theSession = () => session;

// site is the chosen cluster: that of the address, else the remembered one.
export function site() {
  const names = session?.sites.map((s) => s.name) ?? [];
  return [here().query.site, recall('site')].find((name) => names.includes(name)) ?? names[0];
}

export function chooseSite(name) {
  remember('site', name);
}

// url is the address of a request, for links and event streams.
export function url(path, params = {}) {
  const all = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...params, site: site() })) {
    for (const v of Array.isArray(value) ? value : [value]) if (v !== undefined && v !== null && v !== '') all.append(name, v);
  }
  return base + path + (String(all) ? '?' + all : '');
}

async function ask(method, address, body, signal) {
  const headers = { Accept: 'application/json' };
  if (method !== 'GET') {
    headers['Content-Type'] = 'application/json';
    headers['X-Goddard-CSRF'] = session?.csrf ?? '';
  }
  let answer;
  try {
    answer = await fetch(address, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body), credentials: 'same-origin' });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError(0, { error: t('error.unreachable'), fix: t('error.unreachable.fix'), code: 'unreachable' });
  }
  const isJSON = answer.headers.get('Content-Type')?.includes('json');
  const content = isJSON ? await answer.json() : { error: t('error.answer', { status: answer.status, path: address.split('?')[0] }), fix: '' };
  if (answer.ok && isJSON) return content;
  if (content.code === 'login_required' && session?.user !== '') begin();
  throw new ApiError(answer.status, content);
}

export const get = (path, params, signal) => ask('GET', url(path, params), undefined, signal);
export const send = (method, path, body = {}, params = {}) => ask(method, url(path, params), body);
export const post = (path, body, params) => send('POST', path, body, params);

function use(next) {
  session = next;
  watchers.forEach((f) => f(next));
  return next;
}

// begin asks who we are; watch hears each time the answer may have changed.
export const begin = async () => use(await ask('GET', base + '/session'));
export const login = async (user, password) => use(await ask('POST', base + '/session/login', { user, password }));
export const logout = async () => use(await ask('POST', base + '/session/logout', {}));
export function watch(f) {
  watchers.add(f);
  return () => watchers.delete(f);
}

// seg escapes a name for a path.
export const seg = encodeURIComponent;
