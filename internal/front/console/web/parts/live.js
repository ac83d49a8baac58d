// What a page asks the server for. What it has stays on the page until the next
// answer is there; nothing is asked while nobody looks.
import { html, useCallback, useEffect, useRef, useState } from './dom.js';
import { get } from './api.js';
import { Fault, Wait } from './show.js';

// useLive asks for a path at once and then every so many ms (0: once).
export function useLive(path, params = {}, every = 0) {
  const asked = path === null ? null : path + '?' + JSON.stringify(params);
  const [state, set] = useState({});
  const [turn, setTurn] = useState(0);
  const latest = useRef();
  latest.current = asked;
  useEffect(() => {
    if (asked === null) return undefined;
    const stop = new AbortController();
    let timer;
    const load = async () => {
      clearTimeout(timer);
      try {
        const data = await get(path, params, stop.signal);
        if (latest.current === asked) set({ data, asked });
      } catch (error) {
        if (stop.signal.aborted) return;
        set((before) => ({ data: before.asked === asked ? before.data : undefined, error, asked }));
      }
      if (every && !document.hidden && !stop.signal.aborted) timer = setTimeout(load, every);
    };
    const wake = () => {
      if (!document.hidden && every) load();
      else clearTimeout(timer);
    };
    load();
    document.addEventListener('visibilitychange', wake);
    return () => {
      stop.abort();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', wake);
    };
  }, [asked, every, turn]);
  const reload = useCallback(() => setTurn((n) => n + 1), []);
  return { ...state, stale: state.asked !== asked, reload };
}

// Loaded draws its child with what was answered, or says why there is nothing.
// An error with older data beside it is shown above them.
export function Loaded({ of, children }) {
  if (of.data === undefined) return of.error ? html`<${Fault} error=${of.error} again=${of.reload} />` : html`<${Wait} />`;
  return html`${of.error && html`<${Fault} error=${of.error} again=${of.reload} />`}${children(of.data)}`;
}
