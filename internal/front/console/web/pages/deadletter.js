// The dead letters of one group: looked through, read, sent again, purged.
import { html, useEffect, useState } from '../parts/dom.js';
import { t } from '../parts/i18n.js';
import { get, post, seg, url } from '../parts/api.js';
import { Loaded, useLive } from '../parts/live.js';
import { Badge, Empty, Facts, Fault, Icon, Page, Panel, Wait, Ago, When } from '../parts/show.js';
import { Table } from '../parts/table.js';
import { Field } from '../parts/form.js';
import { Body } from '../parts/body.js';
import { Jobs } from '../parts/jobs.js';
import { notice } from '../parts/dialog.js';
import { editLetter, purge, redrive } from '../parts/redrive.js';
import { ask, link, useRoute } from '../parts/router.js';
import { forInput, number, size } from '../parts/format.js';
import { Properties } from './message.js';

export default function DeadLetter({ path }) {
  const [, group, id] = path;
  return id ? html`<${Letter} group=${group} id=${id} />` : html`<${Letters} group=${group} />`;
}

const asked = ['tag', 'key', 'origin', 'text', 'expression', 'from', 'to'];
const states = { waiting: 'warn', claimed: 'accent', sent: 'ok', purged: '' };
export const State = ({ of }) => html`<${Badge} kind=${states[of]}>${t('letter.' + of)}<//>`;

function Letters({ group }) {
  const { query } = useRoute();
  const filter = Object.fromEntries(asked.filter((n) => query[n]).map((n) => [n, query[n]]));
  const handled = query.handled === '1';
  const [turn, setTurn] = useState(0);
  const again = () => setTurn((n) => n + 1);
  const actions = html`
    <button type="button" class="primary" onClick=${() => redrive(group, { ...filter, handled }).then(again)}><${Icon} name="send" />${t('redrive.action')}</button>
    <a class="button" download href=${url(`/dead-letters/${seg(group)}/export`, { ...filter, handled: handled ? 1 : undefined })}><${Icon} name="download" />${t('dead.export')}</a>
    <button type="button" class="quiet-danger" onClick=${() => purge(group, filter).then(again)}><${Icon} name="trash" />${t('purge.action')}</button>`;
  return html`<${Page} title=${group} trail=${{ href: link(['deadletters']), text: t('nav.deadletters') }} about=${html`<a href=${link(['groups', group])}>${t('group')}</a>`} actions=${actions}>
    <${Jobs} group=${group} />
    <${Filters} query=${query} />
    <${Found} key=${JSON.stringify(filter) + handled + turn} group=${group} params=${{ ...filter, handled: handled ? 1 : undefined }} filtered=${Object.keys(filter).length > 0} />
  <//>`;
}

function Filters({ query }) {
  const [values, setValues] = useState(() => ({ ...Object.fromEntries(asked.map((n) => [n, query[n] ?? ''])), from: query.from ? forInput(Date.parse(query.from)) : '', to: query.to ? forInput(Date.parse(query.to)) : '', handled: query.handled === '1' }));
  const submit = (e) => {
    e.preventDefault();
    const iso = (v) => (v ? new Date(v).toISOString() : undefined);
    ask({ ...values, from: iso(values.from), to: iso(values.to), handled: values.handled ? 1 : undefined }, true);
  };
  const fields = [
    { name: 'tag', label: t('tag') }, { name: 'key', label: t('messages.key') }, { name: 'origin', label: t('letter.origin') }, { name: 'text', label: t('message.text') },
    { name: 'expression', label: t('expression'), about: "a > 5 AND b = 'c'" }, { name: 'from', label: t('letter.from'), kind: 'time' }, { name: 'to', label: t('letter.to'), kind: 'time' },
    { name: 'handled', label: t('letter.handled'), kind: 'check' },
  ];
  return html`<${Panel} flush><details class="fold" open=${asked.some((n) => query[n])}><summary>${t('filters')}</summary><form class="filters" onSubmit=${submit}>
    ${fields.map((f) => html`<${Field} key=${f.name} field=${f} value=${values[f.name]} change=${(v) => setValues((all) => ({ ...all, [f.name]: v }))} />`)}
    <div class="actions"><button class="primary">${t('apply')}</button></div></form></details><//>`;
}

function Found({ group, params, filtered }) {
  const [state, set] = useState({ items: [], busy: true });
  const load = async (cursor, signal) => {
    set((s) => ({ ...s, busy: true, error: null }));
    try {
      const page = await get(`/dead-letters/${seg(group)}`, { ...params, limit: 50, cursor }, signal);
      set((s) => ({ items: [...s.items, ...page.items], cursor: page.cursor }));
    } catch (error) {
      if (error.name !== 'AbortError') set((s) => ({ ...s, busy: false, error }));
    }
  };
  useEffect(() => {
    const stop = new AbortController();
    load(undefined, stop.signal);
    return () => stop.abort();
  }, []);
  return html`<${Panel} title=${t('nav.deadletters')} flush>
    ${state.error && html`<${Fault} error=${state.error} again=${() => load(state.cursor)} />`}
    <${Table} label=${t('nav.deadletters')} id=${(l) => l.id} rows=${state.items} empty=${state.busy ? html`<${Wait} />` : html`<${Empty} icon="check" title=${t(filtered ? 'none.found' : 'letter.none')}>${t(filtered ? 'none.found.text' : 'letter.none.text')}<//>`} columns=${[
      { name: 'id', label: t('message'), kind: 'main', cell: (l) => html`<a href=${link(['deadletters', group, l.id])}><code>${l.unique_id || l.id}</code></a>` },
      { name: 'state', label: t('state'), cell: (l) => html`<${State} of=${l.state} />` },
      { name: 'origin', label: t('letter.origin'), cell: (l) => html`<a href=${link(['topics', l.origin])}>${l.origin}</a>` },
      { name: 'died', label: t('letter.died'), kind: 'tight', cell: (l) => html`<${Ago} at=${l.died} />` },
      { name: 'tries', label: t('message.tries'), kind: 'number', cell: (l) => number(l.tries) },
      { name: 'tag', label: t('tag'), cell: (l) => l.tag && html`<${Badge}>${l.tag}<//>` },
      { name: 'keys', label: t('message.keys'), cell: (l) => l.keys.join(' ') },
      { name: 'size', label: t('size'), kind: 'number', cell: (l) => size(l.size) },
      { name: 'preview', label: t('message.body'), kind: 'preview', cell: (l) => l.preview },
    ]} />
    ${state.cursor && html`<p class="pager"><button type="button" disabled=${state.busy} onClick=${() => load(state.cursor)}>${t('messages.further')}</button></p>`}
  <//>`;
}

function Letter({ group, id }) {
  const live = useLive(`/dead-letters/${seg(group)}/${seg(id)}`);
  const resend = async () => {
    try {
      await post(`/dead-letters/${seg(group)}/redrive`, { filter: { id, handled: live.data.letter.state === 'sent' }, to: '', limit: 1, dry_run: false });
      notice(t('redrive.started'));
      live.reload();
    } catch (error) {
      notice(`${error.message} ${error.fix ?? ''}`, 'bad');
    }
  };
  const actions = html`<button type="button" class="primary" disabled=${!live.data} onClick=${() => editLetter(group, live.data).then(live.reload)}><${Icon} name="edit" />${t('letter.edit')}</button>
    <button type="button" disabled=${!live.data} onClick=${resend}><${Icon} name="send" />${t('letter.resend')}</button>`;
  return html`<${Page} title=${t('letter')} trail=${{ href: link(['deadletters', group]), text: group }} about=${live.data && html`<${State} of=${live.data.letter.state} />`} actions=${actions}>
    <${Loaded} of=${live}>${({ letter: l, message: m, why, destination }) => html`
      ${why && html`<p class="note warn"><${Icon} name="warning" /><span>${why}</span></p>`}
      <${Panel}><${Facts} rows=${[
        [t('letter.origin'), html`<a href=${link(['topics', l.origin])}>${l.origin}</a>`], [t('letter.destination'), html`<code>${destination}</code>`],
        [t('message.unique'), html`<code>${l.unique_id}</code>`], [t('messages.id'), html`<a href=${link(['messages', m.id], { topic: m.topic })}><code>${m.id}</code></a>`],
        [t('tag'), l.tag || '–'], [t('message.keys'), l.keys.join(' ') || '–'], [t('message.tries'), number(l.tries)],
        [t('message.born'), html`<${When} at=${l.born} precise />`], [t('letter.died'), html`<${When} at=${l.died} precise />`],
      ]} /><//>
      <div class="columns"><${Panel} title=${t('message.body')}><${Body} body=${m.body} /><//><${Properties} of=${m.properties} /></div>`}<//>
    <${Jobs} group=${group} />
  <//>`;
}
