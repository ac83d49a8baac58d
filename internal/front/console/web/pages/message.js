// One message: its body and properties, what became of it, its way drawn as
// a line of time.
import { html, useEffect, useState } from '../parts/dom.js';
import { t } from '../parts/i18n.js';
import { get, post, seg, url } from '../parts/api.js';
import { Loaded, useLive } from '../parts/live.js';
import { Badge, Copy, Empty, Facts, Page, Panel, When } from '../parts/show.js';
import { Table } from '../parts/table.js';
import { Body } from '../parts/body.js';
import { Form } from '../parts/form.js';
import { notice, open } from '../parts/dialog.js';
import { link, useRoute } from '../parts/router.js';
import { instant, number, size, span, time } from '../parts/format.js';

export default function Message({ path }) {
  const { query } = useRoute();
  const at = `/messages/${seg(path[1])}`;
  const live = useLive(at, { topic: query.topic });
  const [wait, setWait] = useState(); // for groups that did not answer in a moment
  const trace = useLive(at + '/trace', { topic: query.topic, wait }, 10000);
  useEffect(() => {
    if (trace.data?.groups.some((g) => g.state === 'UNKNOWN')) setWait(1);
  }, [trace.data]);
  const actions = live.data && html`<a class="button" download href=${url(at + '/body', { topic: live.data.topic })}>${t('message.download')}</a>
    <button type="button" onClick=${() => consume(live.data)}>${t('consume.action')}</button>`;
  return html`<${Page} title=${t('message')} trail=${{ href: link(['messages'], { topic: query.topic }), text: t('nav.messages') }} actions=${actions}>
    <${Loaded} of=${live}>${(m) => html`
      <${Panel}><${Facts} rows=${facts(m)} /><//>
      <div class="columns">
        <div class="stack"><${Panel} title=${t('message.body')}><${Body} body=${m.body} /><//><${Properties} of=${m.properties} /></div>
        <div class="stack"><${Panel} title=${t('trace')}><${Loaded} of=${trace}>${(x) => html`<${Timeline} trace=${x} />`}<//><//>
        <${Panel} title=${t('message.groups')} flush><${Loaded} of=${trace}>${(x) => html`<${Consumption} groups=${x.groups} />`}<//><//></div>
      </div>`}<//>
  <//>`;
}

export const facts = (m) => [
  [t('topic'), html`<a href=${link(['topics', m.topic])}>${m.topic}</a>`],
  [t('messages.id'), html`<${Copy} text=${m.id} />`],
  m.unique_id && [t('message.unique'), html`<${Copy} text=${m.unique_id} />`],
  [t('queue'), `${m.broker} · ${m.queue}`],
  [t('offset'), number(m.offset)],
  [t('tag'), m.tag ? html`<${Badge}>${m.tag}<//>` : '–'],
  [t('message.keys'), m.keys.length ? m.keys.join(' ') : '–'],
  [t('message.born'), html`<${When} at=${m.born} precise /> <small>${m.born_host}</small>`],
  [t('message.stored'), html`<${When} at=${m.stored} precise /> <small>${m.store_host}</small>`],
  [t('message.tries'), number(m.tries)],
  [t('size'), `${size(m.body_size)} / ${size(m.size)}`],
  m.flags?.length > 0 && [t('message.flags'), m.flags.join(', ')],
];

export const Properties = ({ of }) => html`<${Panel} title=${t('message.properties')} flush><${Table} label=${t('message.properties')} id=${(p) => p[0]} rows=${Object.entries(of).sort()}
  empty=${html`<p class="empty">${t('message.noproperties')}</p>`} columns=${[
    { name: 'name', label: t('name'), kind: 'main', cell: ([k]) => html`<code>${k}</code>` },
    { name: 'value', label: t('value'), cell: ([, v]) => html`<code>${v}</code>` },
  ]} /><//>`;

const stateKinds = { CONSUMED: 'ok', CONSUMED_BUT_FILTERED: '', NOT_CONSUME_YET: 'warn' };

function Consumption({ groups }) {
  return html`<${Table} label=${t('message.groups')} id=${(g) => g.group} rows=${groups} empty=${html`<${Empty} icon="groups" title=${t('topic.nogroups')}>${t('message.nogroups')}<//>`} columns=${[
    { name: 'group', label: t('group'), kind: 'main', cell: (g) => html`<a href=${link(['groups', g.group])}>${g.group}</a>` },
    { name: 'state', label: t('state'), cell: (g) => g.state === 'NOT_ONLINE' ? '–' : html`<${Badge} kind=${stateKinds[g.state] ?? ''}>${t('consumed.' + g.state)}<//>` },
    { name: 'text', label: t('message.why'), cell: (g) => html`<small>${g.text}</small>` },
  ]} />`;
}

// Timeline draws the events of a trace; each says how long after the one
// before it came.
function Timeline({ trace }) {
  const { events } = trace;
  return html`<ol class="timeline">${events.map((e, i) => {
    const before = i ? Date.parse(e.at) - Date.parse(events[i - 1].at) : 0;
    const failed = e.success === false || e.state === 'ROLLBACK_MESSAGE';
    const kind = failed ? 'bad' : e.kind === 'consuming' ? 'open' : e.kind === 'consumed' ? 'ok' : '';
    const who = [e.group, e.host, e.broker !== undefined && `${e.broker} · ${e.queue} · ${number(e.offset)}`].filter(Boolean).join(' – ');
    return html`<li key=${i}><span class="at" title=${instant(e.at, true)}>${time(e.at)}${i > 0 && html`<br />+${span(Math.max(0, before))}`}</span><span class="rail"><i class=${'dot ' + kind}></i></span>
      <div class="what"><b>${t(`event.${e.kind}${failed ? '.failed' : ''}`)}</b> ${e.cost_ms !== undefined && html`<${Badge}>${span(e.cost_ms)}<//>`} ${e.tries > 0 && html`<${Badge} kind="warn">${t('event.try', { n: e.tries })}<//>`} ${e.result && html`<${Badge}>${e.result}<//>`} ${e.state && html`<${Badge}>${e.state}<//>`}
        <div><small>${who}</small></div>${e.text && html`<div><small>${e.text}</small></div>`}</div></li>`;
  })}</ol>${trace.note && html`<p class="note">${trace.note}</p>`}`;
}

// consume has one client of a group work on the message now.
async function consume(m) {
  const groups = await get(`/topics/${seg(m.topic)}/groups`).then((x) => x.items, () => []);
  open(t('consume.title'), ({ close }) => html`<${Form} close=${close} action=${t('consume.do')} fields=${[
    { name: 'group', label: t('group'), required: true, suggest: groups.map((g) => g.group), value: groups.find((g) => g.online)?.group ?? '', wide: true },
    { name: 'client', label: t('client'), required: true, wide: true, hint: t('consume.client.hint') },
  ]} act=${async (values) => {
    const { result, remark, cost_ms: cost } = await post(`/messages/${seg(m.id)}/consume`, { topic: m.topic, ...values });
    notice(t('consume.done', { result: `${result} ${remark}`, span: span(cost) }), result === 'CR_SUCCESS' ? 'ok' : 'bad');
  }} />`);
}
