// Messages as they arrive: server-sent events, the newest above. Nothing is
// listened to while paused or while nobody looks.
import { html, useEffect, useRef, useState } from './dom.js';
import { t } from './i18n.js';
import { url, seg } from './api.js';
import { link } from './router.js';
import { Empty, Fault, Icon, Panel, When } from './show.js';
import { number } from './format.js';

const kept = 500;

export function Tail({ topic }) {
  const [on, setOn] = useState(true);
  const [filter, setFilter] = useState({ tag: '', text: '', expression: '' });
  const [asked, setAsked] = useState(filter);
  const [rows, setRows] = useState([]);
  const [state, setState] = useState({ skipped: 0 });
  const seen = useRef(0);
  useEffect(() => {
    if (!on) return undefined;
    let source;
    const listen = () => {
      source = new EventSource(url(`/topics/${seg(topic)}/tail`, { ...asked, from: 'now', max_body: 1024 }));
      source.addEventListener('open', () => setState((s) => ({ ...s, error: null, open: true })));
      source.addEventListener('message', (e) => {
        if (!e.data) return;
        const m = JSON.parse(e.data);
        seen.current++;
        setRows((all) => [{ ...m, key: seen.current }, ...all].slice(0, kept));
      });
      source.addEventListener('skipped', (e) => setState((s) => ({ ...s, skipped: s.skipped + JSON.parse(e.data).messages })));
      source.addEventListener('problem', (e) => {
        const { error, fix } = JSON.parse(e.data);
        setState((s) => ({ ...s, error: { message: error, fix } }));
      });
      source.onerror = () => setState((s) => ({ ...s, open: false, error: source.readyState === EventSource.CLOSED ? { message: t('tail.ended'), fix: t('tail.ended.fix') } : s.error }));
    };
    const turn = () => {
      if (document.hidden) source?.close();
      else if (!source || source.readyState === EventSource.CLOSED) listen();
    };
    turn();
    document.addEventListener('visibilitychange', turn);
    return () => {
      document.removeEventListener('visibilitychange', turn);
      source?.close();
    };
  }, [topic, on, asked]);
  const change = (name) => (e) => setFilter((f) => ({ ...f, [name]: e.target.value }));
  const actions = html`<span class=${'health ' + (on && state.open ? 'ok' : '')}><i class="dot"></i>${t(on ? (state.open ? 'tail.live' : 'tail.connecting') : 'tail.paused')}</span>
    <button type="button" class="small-button" aria-pressed=${!on} onClick=${() => setOn(!on)}><${Icon} name=${on ? 'pause' : 'play'} />${t(on ? 'tail.pause' : 'tail.resume')}</button>
    <button type="button" class="small-button" onClick=${() => { setRows([]); setState((s) => ({ ...s, skipped: 0 })); }}>${t('tail.clear')}</button>`;
  return html`<${Panel} title=${t('topic.tab.tail')} actions=${actions} flush>
    <form class="filters" onSubmit=${(e) => { e.preventDefault(); setRows([]); setAsked(filter); setOn(true); }}>
      <label class="field"><span>${t('tag')}</span><input name="tag" value=${filter.tag} spellcheck="false" onInput=${change('tag')} /></label>
      <label class="field"><span>${t('message.text')}</span><input name="text" value=${filter.text} spellcheck="false" onInput=${change('text')} /></label>
      <label class="field"><span>${t('expression')}</span><input name="expression" value=${filter.expression} placeholder="a > 5 AND b = 'c'" spellcheck="false" onInput=${change('expression')} /></label>
      <button>${t('apply')}</button>
    </form>
    ${state.error && html`<${Fault} error=${state.error} again=${() => { setState({ skipped: 0 }); setAsked({ ...asked }); }} />`}
    ${state.skipped > 0 && html`<p class="note">${t('tail.skipped', { n: state.skipped })}</p>`}
    ${rows.length ? html`<ul class="tail" tabindex="0" aria-label=${t('topic.tab.tail')}>${rows.map((m) => html`<li key=${m.key}>
      <${When} at=${m.stored} /><a href=${link(['messages', m.id], { topic: m.topic })}>${m.broker}·${m.queue}·${number(m.offset)}</a>
      <span class="body-line">${m.tag && html`<span class="badge">${m.tag}</span> `}${m.preview}</span></li>`)}</ul>`
    : html`<${Empty} icon="messages" title=${t('tail.none')}>${t('tail.none.text')}<//>`}
  <//>`;
}
