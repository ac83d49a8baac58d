// Messages are found: by id, unique key or key through the brokers' index, or
// by looking through a span of time.
import { html, useEffect, useState } from '../parts/dom.js';
import { t } from '../parts/i18n.js';
import { get, seg } from '../parts/api.js';
import { useLive } from '../parts/live.js';
import { Badge, Empty, Fault, Page, Panel, Wait, When } from '../parts/show.js';
import { Table } from '../parts/table.js';
import { Field, pairs } from '../parts/form.js';
import { ask, go, link, useRoute } from '../parts/router.js';
import { forInput, number, size } from '../parts/format.js';

const modes = ['time', 'key', 'id'];

export default function Messages() {
  const { query } = useRoute();
  const by = query.by ?? 'time';
  return html`<${Page} title=${t('nav.messages')}>
    <div class="segments" role="group" aria-label=${t('messages.by')}>${modes.map((m) => html`<button type="button" key=${m} aria-pressed=${m === by} onClick=${() => ask({ by: m === 'time' ? undefined : m }, true)}>${t('messages.by.' + m)}</button>`)}</div>
    ${by === 'id' ? html`<${ById} />` : html`<${Search} by=${by} key=${by} />`}
  <//>`;
}

function useTopics(text) {
  const live = useLive('/topics', { q: text, limit: 20, kind: 'all' });
  return live.data?.items.map((x) => x.name) ?? [];
}

function ById() {
  const { query } = useRoute();
  const [values, setValues] = useState({ id: '', topic: query.topic ?? '' });
  const suggest = useTopics(values.topic);
  const change = (name) => (v) => setValues((all) => ({ ...all, [name]: v }));
  const submit = (e) => {
    e.preventDefault();
    go(link(['messages', values.id.trim()], { topic: values.topic }));
  };
  return html`<${Panel}><form class="filters" onSubmit=${submit}>
    <${Field} field=${{ name: 'id', label: t('messages.id'), required: true, wide: true, autofocus: true, hint: t('messages.id.hint') }} value=${values.id} change=${change('id')} />
    <${Field} field=${{ name: 'topic', label: t('topic'), suggest, hint: t('messages.id.topic') }} value=${values.topic} change=${change('topic')} />
    <div class="actions"><button class="primary">${t('find')}</button></div></form><//>`;
}

const span = 3600e3;
// phone: the rarer conditions are folded away.
const phone = matchMedia('(max-width: 640px)').matches;
const asked = ['topic', 'from', 'to', 'tag', 'key', 'expression', 'property', 'text', 'broker', 'queue', 'order'];

function Search({ by }) {
  const { query } = useRoute();
  const [values, setValues] = useState(() => ({ ...Object.fromEntries(asked.map((n) => [n, query[n] ?? ''])), from: query.from ? forInput(Date.parse(query.from)) : by === 'time' ? forInput(Date.now() - span) : '', to: query.to ? forInput(Date.parse(query.to)) : '' }));
  const suggest = useTopics(values.topic);
  const change = (name) => (v) => setValues((all) => ({ ...all, [name]: v }));
  const iso = (v) => (v ? new Date(v).toISOString() : undefined);
  const [turn, setTurn] = useState(0);
  const submit = (e) => {
    e.preventDefault();
    ask(by === 'key' ? { ...Object.fromEntries(asked.map((n) => [n, undefined])), topic: values.topic, key: values.key } : { ...values, key: undefined, from: iso(values.from), to: iso(values.to) }, true);
    setTurn(turn + 1);
  };
  const topic = { name: 'topic', label: t('topic'), required: true, suggest, autofocus: !query.topic };
  const more = [
    { name: 'tag', label: t('tag') }, { name: 'text', label: t('message.text') },
    { name: 'property', label: t('message.property'), about: 'color=red' }, { name: 'expression', label: t('expression'), about: "a > 5 AND b = 'c'" },
    { name: 'broker', label: t('broker') }, { name: 'queue', label: t('queue'), kind: 'number', min: 0 },
    { name: 'order', label: t('messages.order'), kind: 'select', options: [['', t('messages.newest')], ['asc', t('messages.oldest')]] },
  ];
  const field = (f) => html`<${Field} key=${f.name} field=${f} value=${values[f.name]} change=${change(f.name)} />`;
  return html`<${Panel} flush><form class="filters" onSubmit=${submit}>
      ${field(topic)}
      ${by === 'key' ? field({ name: 'key', label: t('messages.key'), required: true }) : html`${field({ name: 'from', label: t('from'), kind: 'time' })}${field({ name: 'to', label: t('to'), kind: 'time', hint: t('messages.to.hint') })}${phone ? html`<details open=${more.some((f) => values[f.name])}><summary>${t('messages.more')}</summary><div class="stack">${more.map(field)}</div></details>` : more.map(field)}`}
      <div class="actions"><button class="primary">${t('find')}</button></div>
    </form><//>
    ${query.topic && (by === 'time' || query.key) && html`<${Results} key=${JSON.stringify(asked.map((n) => query[n])) + turn} query=${query} by=${by} />`}`;
}

// Results asks for a page of messages, and further ones on demand.
function Results({ query, by }) {
  const [state, set] = useState({ items: [], looked: 0, busy: true });
  const params = { limit: 64, ...Object.fromEntries(asked.filter((n) => n !== 'topic' && n !== 'property').map((n) => [n, query[n]])) };
  if (query.property) params.property = Object.entries(pairs(query.property)).map(([k, v]) => (v ? `${k}=${v}` : k));
  if (by === 'time' && !params.from) params.from = new Date(Date.now() - span).toISOString();
  const load = async (cursor, signal) => {
    set((s) => ({ ...s, busy: true, error: null }));
    try {
      const page = await get(`/topics/${seg(query.topic)}/messages`, { ...params, cursor }, signal);
      set((s) => ({ items: [...s.items, ...page.items], looked: s.looked + page.looked, cursor: page.cursor, by: page.by }));
    } catch (error) {
      if (error.name !== 'AbortError') set((s) => ({ ...s, busy: false, error }));
    }
  };
  useEffect(() => {
    const stop = new AbortController();
    load(undefined, stop.signal);
    return () => stop.abort();
  }, []);
  const further = html`<button type="button" disabled=${state.busy} onClick=${() => load(state.cursor)}>${t('messages.further')}</button>`;
  return html`<${Panel} title=${t('messages.found', { n: state.items.length })} flush actions=${html`<span class="muted">${t('messages.looked', { n: state.looked })}</span>`}>
    ${state.error && html`<${Fault} error=${state.error} again=${() => load(state.cursor)} />`}
    <${MessageTable} items=${state.items} empty=${state.busy ? html`<${Wait} />` : html`<${Empty} icon="search" title=${t('none.found')}>${state.cursor ? t('messages.nothere') : t('messages.none')}<//>`} />
    ${state.cursor && html`<p class="pager">${further}</p>`}
  <//>`;
}

export function MessageTable({ items, empty }) {
  return html`<${Table} label=${t('nav.messages')} id=${(m) => m.id} rows=${items} empty=${empty} columns=${[
    { name: 'id', label: t('message'), kind: 'main', cell: (m) => html`<a href=${link(['messages', m.id], { topic: m.topic })}><code>${m.unique_id || m.id}</code></a>` },
    { name: 'stored', label: t('message.stored'), kind: 'tight', cell: (m) => html`<${When} at=${m.stored} precise="ms" />` },
    { name: 'queue', label: t('queue'), kind: 'tight', cell: (m) => `${m.broker} · ${m.queue}` },
    { name: 'offset', label: t('offset'), kind: 'number', cell: (m) => number(m.offset) },
    { name: 'tag', label: t('tag'), cell: (m) => m.tag && html`<${Badge}>${m.tag}<//>` },
    { name: 'keys', label: t('message.keys'), kind: 'tight', cell: (m) => m.keys.join(' ') },
    { name: 'size', label: t('size'), kind: 'number', cell: (m) => size(m.body_size) },
    { name: 'preview', label: t('message.body'), kind: 'preview', cell: (m) => m.preview },
  ]} />`;
}
