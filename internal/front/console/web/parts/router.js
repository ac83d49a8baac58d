// Where the reader is: #/topics/orders?tab=config. What a page shows (search,
// page, tab) is in the address, so that it can be passed on.
import { useEffect, useState } from './dom.js';

export function parse(hash) {
  const [path, query = ''] = hash.replace(/^#\/?/, '').split('?');
  return { path: path.split('/').filter(Boolean).map(decodeURIComponent), query: Object.fromEntries(new URLSearchParams(query)) };
}

// link is the address of a page; parts of the path are escaped.
export function link(path, query) {
  const asked = Object.entries(query ?? {}).filter(([, v]) => v !== undefined && v !== null && v !== '');
  const text = new URLSearchParams(asked).toString();
  return '#/' + path.map(encodeURIComponent).join('/') + (text ? '?' + text : '');
}

const listeners = new Set();
let route = parse(location.hash);
addEventListener('hashchange', tell);
function tell() {
  route = parse(location.hash);
  listeners.forEach((f) => f(route));
}

export const here = () => route;

export function go(to) {
  location.hash = to;
}

// ask changes what the present page shows; undefined or '' removes a part. Steps
// that are worth going back to (a tab) are pushed, others (typing) replace.
export function ask(changes, push) {
  const to = link(route.path, { ...route.query, ...changes });
  if (to === location.hash) return;
  if (push) history.pushState(null, '', to);
  else history.replaceState(null, '', to);
  tell();
}

export function useRoute() {
  const [now, set] = useState(route);
  useEffect(() => {
    listeners.add(set);
    set(route);
    return () => listeners.delete(set);
  }, []);
  return now;
}
