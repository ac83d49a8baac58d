// One consumer group: how far it is and why, who is in it, and moving it.
import { html } from '../parts/dom.js';
import { t } from '../parts/i18n.js';
import { post, seg, send } from '../parts/api.js';
import { Loaded, useLive } from '../parts/live.js';
import { Badge, Empty, Facts, Icon, Page, Panel, Tabs, Ago, When } from '../parts/show.js';
import { Table } from '../parts/table.js';
import { History, Ranges } from '../parts/chart.js';
import { confirm, notice } from '../parts/dialog.js';
import { ask, go, link, useRoute } from '../parts/router.js';
import { number, rate, span, yesNo } from '../parts/format.js';
import { Online } from '../parts/online.js';
import { running } from '../parts/running.js';
import { reset } from '../parts/reset.js';
import { consumes } from './groups.js';
import { edit, forbid, retries, setForbidden } from '../parts/group.js';

export default function Group({ path }) {
  const name = path[1];
  const { query } = useRoute();
  const live = useLive(`/groups/${seg(name)}`, {}, 5000);
  const tab = query.tab ?? 'progress';
  const tabs = ['progress', 'clients', 'charts', 'config', 'messagegroups'].map((id) => ({ id, label: t('group.tab.' + id) }));
  const View = { progress: Progress, clients: Clients, charts: Charts, config: Config, messagegroups: MessageGroups }[tab] ?? Progress;
  const lost = live.error?.code === 'not_found';
  const actions = lost ? null : html`
    <button type="button" class="primary" disabled=${!live.data} onClick=${() => reset(name, live.data.topics).then(live.reload)}><${Icon} name="reset" />${t('reset.action')}</button>
    <a class="button" href=${link(['deadletters', name])}><${Icon} name="deadletters" />${t('nav.deadletters')}</a>
    <button type="button" disabled=${!live.data} onClick=${() => edit(live.data).then(live.reload)}><${Icon} name="edit" />${t('change')}</button>
    <button type="button" class="quiet-danger" onClick=${() => remove(name)}><${Icon} name="trash" />${t('delete')}</button>`;
  return html`<${Page} title=${name} trail=${{ href: link(['groups']), text: t('nav.groups') }} about=${live.data && html`<${Online} on=${live.data.online} />`} actions=${actions}>
    ${lost ? html`<${Panel}><${Empty} icon="search" title=${live.error.message}>${live.error.fix}<//><//>` : html`<${Loaded} of=${live}>${(g) => html`<div class="tiles">
      <div class="tile"><span>${t('lag')}</span><b class=${g.lag > 0 && !g.online ? 'warn' : ''}>${number(g.lag)}</b><small>${t('messages.unit')}</small></div>
      <div class="tile"><span>${t('lag.seconds')}</span><b>${span(g.lag_seconds * 1000)}</b><small>${t('group.oldest')}</small></div>
      <div class="tile"><span>${t('out')}</span><b>${t('per.second', { rate: rate(g.tps) })}</b><small>${t('group.lastminute')}</small></div>
      <div class="tile"><span>${t('nav.topics')}</span><b>${number(g.topics.length)}</b><small title=${g.topics.join(', ')}>${g.topics.join(', ')}</small></div>
    </div>`}<//>
    <${Tabs} label=${name} all=${tabs} />
    <${View} name=${name} group=${live} />`}
  <//>`;
}

function remove(name) {
  confirm({
    title: t('group.delete'), text: t('group.delete.text'), name, danger: true, action: t('delete'),
    act: async () => {
      await send('DELETE', `/groups/${seg(name)}`, {}, { offsets: 1 });
      notice(t('done.deleted', { name: name }));
      go(link(['groups']));
    },
  });
}

function Progress({ name, group }) {
  const live = useLive(`/groups/${seg(name)}/progress`, {}, 5000);
  return html`<${Loaded} of=${live}>${(data) => {
    const topics = [...new Set(data.items.map((q) => q.topic))];
    if (!topics.length) return html`<${Panel}><${Empty} icon="groups" title=${t('group.noprogress')}>${t('group.noprogress.text')}<//><//>`;
    return topics.map((topic) => html`<${TopicProgress} key=${topic} name=${name} topic=${topic} group=${group} queues=${data.items.filter((q) => q.topic === topic)} members=${data.members} again=${live.reload} />`);
  }}<//>`;
}

// Holder is who has a queue: one client, or all members where they pop.
function Holder({ q, members }) {
  if (q.client) return html`<code>${q.client}</code>`;
  if (!q.popped) return html`<span class="muted" title=${members ? t('group.holder.unknown') : ''}>–</span>`;
  return html`<span>${t('group.shared', { n: members })}</span>${q.last_pop && html`<br /><small>${t('group.lastpop')} <${Ago} at=${q.last_pop} />${q.last_pop_by && html` · <code>${q.last_pop_by}</code>`}</small>`}`;
}

function TopicProgress({ name, topic, queues, members, again, group }) {
  const lag = queues.reduce((n, q) => n + q.lag, 0);
  const skip = () => confirm({
    title: t('skip.title'), text: t('skip.text', { n: lag, topic }), name, danger: true, action: t('skip.do'),
    act: async () => {
      await post(`/groups/${seg(name)}/skip`, { topic, queue: -1, dry_run: false });
      notice(t('skip.done', { n: lag }));
      again();
    },
  });
  const actions = html`<${Badge} kind=${lag ? 'accent' : 'ok'}>${t('lag.of', { n: lag })}<//>
    <button type="button" class="small-button" onClick=${() => reset(name, group.data?.topics ?? [topic], topic).then(again)}>${t('reset.action')}</button>
    <button type="button" class="small-button" disabled=${!lag} onClick=${skip}>${t('skip.action')}</button>`;
  return html`<${Panel} title=${topic} flush actions=${actions}>
    <${Table} label=${topic} id=${(q) => q.broker + q.queue} rows=${queues} sortHere columns=${[
      { name: 'queue', label: t('queue'), kind: 'main', sort: (q) => q.queue, cell: (q) => html`<a href=${link(['messages'], { topic, broker: q.broker, queue: q.queue })}>${q.broker} · ${q.queue}</a>` },
      { name: 'committed', label: t('offset.committed'), kind: 'number', sort: (q) => q.committed, cell: (q) => number(q.committed) },
      { name: 'end', label: t('offset.end'), kind: 'number', sort: (q) => q.end, cell: (q) => number(q.end) },
      { name: 'lag', label: t('lag'), kind: 'number', sort: (q) => q.lag, cell: (q) => number(q.lag) },
      { name: 'seconds', label: t('lag.seconds'), kind: 'number', sort: (q) => q.lag_seconds, cell: (q) => span(q.lag_seconds * 1000) },
      { name: 'hand', label: t('group.inhand'), kind: 'number', sort: (q) => q.in_hand, cell: (q) => number(q.in_hand) },
      { name: 'last', label: t('group.last'), kind: 'tight', cell: (q) => html`<${When} at=${q.last} />` },
      { name: 'client', label: t('client'), cell: (q) => html`<${Holder} q=${q} members=${members} />` },
    ]} /><//>`;
}

function Clients({ name }) {
  const live = useLive(`/groups/${seg(name)}/clients`, {}, 5000);
  return html`<${Loaded} of=${live}>${(data) => html`
    <${Panel} title=${t('clients')} flush actions=${data.online && html`<span class="badges"><${Badge}>${consumes(data.type)}<//><${Badge}>${data.model === 'BROADCASTING' ? t('group.broadcasting') : t('group.clustering')}<//></span>`}>
      <${Table} label=${t('clients')} id=${(c) => c.id} rows=${data.items} empty=${html`<${Empty} icon="connections" title=${t('group.noclients')}>${t('group.noclients.text')}<//>`} columns=${[
        { name: 'id', label: t('client'), kind: 'main', cell: (c) => html`<code>${c.id}</code>` },
        { name: 'addr', label: t('address'), cell: (c) => html`<code>${c.addr}</code>` },
        { name: 'language', label: t('language'), cell: (c) => html`<${Badge}>${c.language}<//>` },
        { name: 'version', label: t('version'), cell: (c) => c.version },
        { name: 'do', label: '', kind: 'actions', cell: (c) => html`<button type="button" class="small-button" onClick=${() => running(name, c.id)}>${t('running.action')}</button>` },
      ]} /><//>
    <${Panel} title=${t('subscriptions')} flush><${Table} label=${t('subscriptions')} id=${(s) => s.topic} rows=${data.subscriptions} empty=${html`<p class="empty">${t('group.nosubscriptions')}</p>`} columns=${[
      { name: 'topic', label: t('topic'), kind: 'main', cell: (s) => html`<a href=${link(['topics', s.topic])}>${s.topic}</a>` },
      { name: 'expression', label: t('expression'), cell: (s) => html`<code>${s.expression}</code>` },
      { name: 'type', label: t('type'), cell: (s) => s.type },
    ]} /><//>`}<//>`;
}

function Charts({ name }) {
  const { query } = useRoute();
  const range = query.range ?? '1h';
  const params = { of: 'group', group: name };
  return html`<div class="bar"><${Ranges} value=${range} change=${(r) => ask({ range: r === '1h' ? undefined : r })} /></div>
    <div class="charts">${[['overview.lag', 'lag'], ['lag.seconds', 'lag_seconds'], ['out', 'out_tps'], ['clients', 'clients']].map(([title, series]) => html`<${History} key=${series} title=${t(title)} params=${params} names=${[series]} range=${range} />`)}</div>`;
}

function Config({ group }) {
  return html`<${Loaded} of=${group}>${(g) => html`${g.placed.map(({ broker, config: c }) => html`<${Panel} key=${broker.addr} title=${broker.name} actions=${html`<button type="button" class="small-button" onClick=${() => edit(g).then(group.reload)}>${t('change')}</button>`}>
    <${Facts} rows=${[
      [t('group.enabled'), yesNo(c.enabled)], [t('group.broadcast'), yesNo(c.broadcast)], [t('group.ordered'), yesNo(c.ordered)], [t('group.frommin'), yesNo(c.from_min)],
      [t('group.retrymax'), number(c.retry_max)], [t('group.retryqueues'), number(c.retry_queues)], [t('group.timeout'), number(c.consume_timeout_minutes)],
      c.retry_policy && [t('group.retrypolicy'), retries(c.retry_policy)], [t('group.notify'), yesNo(c.notify_members)],
      [t('group.brokerid'), number(c.broker_id)], [t('group.slowbroker'), number(c.slow_broker_id)],
      ...Object.entries(c.attributes ?? {}).map(([k, v]) => [html`<code>${k}</code>`, html`<code>${v}</code>`]),
    ]} /><//>`)}
    <${Forbidden} g=${g} again=${group.reload} />`}<//>`;
}

// Forbidden lists the topics that an operator has forbidden the group.
function Forbidden({ g, again }) {
  const allow = (row) => confirm({
    title: t('forbid.allow'), text: t('forbid.allow.text', { group: g.group, topic: row.topic }), action: t('forbid.allow'),
    act: async () => {
      await setForbidden(g.group, row.topic, false);
      again();
    },
  });
  const actions = html`<button type="button" class="small-button" onClick=${() => forbid(g.group).then(again)}>${t('forbid.action')}</button>`;
  return html`<${Panel} title=${t('forbid.topics')} flush actions=${actions}><${Table} label=${t('forbid.topics')} id=${(f) => f.topic} rows=${g.forbidden}
    empty=${html`<p class="empty">${t('forbid.none')}</p>`} columns=${[
      { name: 'topic', label: t('topic'), kind: 'main', cell: (f) => html`<a href=${link(['topics', f.topic])}>${f.topic}</a>` },
      { name: 'brokers', label: t('brokers'), cell: (f) => f.brokers.join(', ') },
      { name: 'do', label: '', kind: 'actions', cell: (f) => html`<button type="button" class="small-button" onClick=${() => allow(f)}>${t('forbid.allow')}</button>` },
    ]} /><//>`;
}

function MessageGroups({ name, group }) {
  const { query } = useRoute();
  const topics = group.data?.topics ?? [];
  const topic = query.topic ?? topics[0];
  const live = useLive(topic ? `/groups/${seg(name)}/message-groups` : null, { topic }, 5000);
  const act = (row, action) => confirm({
    title: t('mgroup.' + action), text: t(`mgroup.${action}.text`, { name: row.name }), name: action === 'BURY' ? row.name : undefined, danger: action === 'BURY', action: t('mgroup.' + action),
    act: async () => {
      await post(`/groups/${seg(name)}/message-groups`, { topic, name: row.name, action });
      notice(t('mgroup.done', { name: row.name }));
      live.reload();
    },
  });
  if (!topic) return html`<${Panel}><${Empty} title=${t('group.noprogress')}>${t('group.noprogress.text')}<//><//>`;
  const choose = html`<label class="choice"><span class="hidden">${t('topic')}</span><select onChange=${(e) => ask({ topic: e.target.value })}>${topics.map((x) => html`<option key=${x} selected=${x === topic}>${x}</option>`)}</select></label>`;
  return html`<${Panel} title=${t('group.tab.messagegroups')} flush actions=${choose}><${Loaded} of=${live}>${(data) => html`<${Table} label=${t('group.tab.messagegroups')} id=${(m) => m.broker + m.queue + m.name} rows=${data.items}
    empty=${html`<${Empty} icon="check" title=${t('mgroup.none')}>${t('mgroup.none.text')}<//>`} columns=${[
      { name: 'name', label: t('send.group'), kind: 'main', cell: (m) => html`<code>${m.name}</code>` },
      { name: 'state', label: t('state'), cell: (m) => html`<${Badge} kind=${m.state === 'PARKED' ? 'warn' : ''}>${m.state}<//>` },
      { name: 'queue', label: t('queue'), cell: (m) => `${m.broker} · ${m.queue}` },
      { name: 'tries', label: t('message.tries'), kind: 'number', cell: (m) => number(m.tries) },
      { name: 'waiting', label: t('mgroup.waiting'), kind: 'number', cell: (m) => number(m.waiting) },
      { name: 'since', label: t('mgroup.since'), kind: 'tight', cell: (m) => html`<${Ago} at=${m.since} />` },
      { name: 'do', label: '', kind: 'actions', cell: (m) => (m.state === 'PARKED' ? ['RELEASE', 'BURY'] : ['PARK']).map((a) => html`<button type="button" key=${a} class="small-button" onClick=${() => act(m, a)}>${t('mgroup.' + a)}</button>`) },
    ]} />`}<//><//>`;
}
