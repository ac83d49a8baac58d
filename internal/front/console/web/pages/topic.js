// One topic: what is in it, who reads it, and what can be done with it.
import { html } from '../parts/dom.js';
import { t } from '../parts/i18n.js';
import { seg, send } from '../parts/api.js';
import { Loaded, useLive } from '../parts/live.js';
import { Badge, Empty, Facts, Icon, Page, Panel, Tabs, Ago, When } from '../parts/show.js';
import { Table } from '../parts/table.js';
import { History, Ranges } from '../parts/chart.js';
import { confirm, notice } from '../parts/dialog.js';
import { ask, go, link, useRoute } from '../parts/router.js';
import { instant, number, rate, size, span, yesNo } from '../parts/format.js';
import { Online } from '../parts/online.js';
import { Tail } from '../parts/tail.js';
import { compose } from '../parts/compose.js';
import { Type, edit } from './topics.js';

export default function Topic({ path }) {
  const name = path[1];
  const { query } = useRoute();
  const live = useLive(`/topics/${seg(name)}`, {}, 5000);
  const tab = query.tab ?? 'summary';
  const tabs = ['summary', 'queues', 'groups', 'producers', 'route', 'config', 'tail'].map((id) => ({ id, label: t('topic.tab.' + id), count: id === 'groups' ? live.data?.groups : undefined }));
  const View = { summary: Summary, queues: Queues, groups: Groups, producers: Producers, route: Route, config: Config, tail: TailTab }[tab] ?? Summary;
  const lost = live.error?.code === 'not_found';
  const actions = lost ? null : html`
    <button type="button" class="primary" onClick=${() => compose(name, live.data?.type)}><${Icon} name="send" />${t('send.action')}</button>
    <a class="button" href=${link(['messages'], { topic: name })}><${Icon} name="messages" />${t('nav.messages')}</a>
    <button type="button" disabled=${!live.data} onClick=${() => edit(live.data).then(live.reload)}><${Icon} name="edit" />${t('change')}</button>
    <button type="button" class="quiet-danger" onClick=${() => remove(name, live.data)}><${Icon} name="trash" />${t('delete')}</button>`;
  return html`<${Page} title=${name} trail=${{ href: link(['topics']), text: t('nav.topics') }} about=${html`<${Type} type=${live.data?.type} />`} actions=${actions}>
    ${lost ? html`<${Panel}><${Empty} icon="search" title=${live.error.message}>${live.error.fix}<//><//>` : html`<${Tabs} label=${name} all=${tabs} />
    <${View} name=${name} topic=${live} />`}
  <//>`;
}

function remove(name, topic) {
  confirm({
    title: t('topic.delete'), text: t('topic.delete.text', { n: topic?.messages ?? 0, groups: number(topic?.groups ?? 0) }), name, danger: true, action: t('delete'),
    act: async () => {
      await send('DELETE', `/topics/${seg(name)}`);
      notice(t('done.deleted', { name: name }));
      go(link(['topics']));
    },
  });
}

function Summary({ name, topic }) {
  const { query } = useRoute();
  const range = query.range ?? '1h';
  const params = { of: 'topic', topic: name };
  return html`<${Loaded} of=${topic}>${(x) => html`
    <div class="tiles">
      <div class="tile"><span>${t('topic.messages')}</span><b>${number(x.messages)}</b><small>${t('topic.messages.text')}</small></div>
      <div class="tile"><span>${t('in')}</span><b>${t('per.second', { rate: rate(x.in_tps) })}</b><small>${x.in_bytes_tps === undefined ? '' : t('per.second', { rate: size(x.in_bytes_tps) })}</small></div>
      <div class="tile"><span>${t('overview.today')}</span><b>${number(x.in_today)}</b><small>${t('topic.since', { at: instant(x.today_since) })}</small></div>
      <div class="tile"><span>${t('topic.last')}</span><b><${Ago} at=${x.last_message} /></b><small><${When} at=${x.last_message} /></small></div>
      <div class="tile"><span>${t('queues')}</span><b>${number(x.queues)}</b><small>${t('topic.placed', { n: x.placed.length })}</small></div>
    </div>
    <div class="bar"><${Ranges} value=${range} change=${(r) => ask({ range: r === '1h' ? undefined : r })} /></div>
    <div class="charts">
      <${History} title=${t('overview.rates')} params=${params} names=${['in_tps', 'out_tps']} range=${range} />
      <${History} title=${t('topic.bytes')} params=${params} names=${['in_bytes_tps']} range=${range} />
      <${History} title=${t('overview.lag')} params=${params} names=${['lag']} range=${range} />
    </div>`}<//>`;
}

function Queues({ name }) {
  const live = useLive(`/topics/${seg(name)}/queues`, {}, 5000);
  return html`<${Panel} title=${t('queues')} flush><${Loaded} of=${live}>${(data) => html`<${Table} label=${t('queues')} id=${(q) => q.broker + q.queue} rows=${data.items} sortHere
    empty=${html`<${Empty} title=${t('topic.noqueues')}>${t('topic.noqueues.fix')}<//>`} columns=${[
      { name: 'queue', label: t('queue'), kind: 'main', sort: (q) => q.queue, cell: (q) => html`<a href=${link(['messages'], { topic: name, broker: q.broker, queue: q.queue })}>${q.broker} · ${q.queue}</a>` },
      { name: 'min', label: t('offset.min'), kind: 'number', sort: (q) => q.min, cell: (q) => number(q.min) },
      { name: 'max', label: t('offset.max'), kind: 'number', sort: (q) => q.max, cell: (q) => number(q.max) },
      { name: 'messages', label: t('nav.messages'), kind: 'number', sort: (q) => q.messages, cell: (q) => number(q.messages) },
      { name: 'last', label: t('topic.last'), kind: 'tight', sort: (q) => q.last_update ?? '', cell: (q) => html`<${When} at=${q.last_update} />` },
    ]} />`}<//><//>`;
}

function Groups({ name }) {
  const live = useLive(`/topics/${seg(name)}/groups`, {}, 5000);
  return html`<${Panel} title=${t('nav.groups')} flush><${Loaded} of=${live}>${(data) => html`<${Table} label=${t('nav.groups')} id=${(g) => g.group} rows=${data.items} sortHere
    empty=${html`<${Empty} icon="groups" title=${t('topic.nogroups')}>${t('topic.nogroups.text')}<//>`} columns=${[
      { name: 'group', label: t('group'), kind: 'main', sort: (g) => g.group, cell: (g) => html`<a href=${link(['groups', g.group])}>${g.group}</a>` },
      { name: 'online', label: t('state'), cell: (g) => html`<${Online} on=${g.online} />` },
      { name: 'lag', label: t('lag'), kind: 'number', sort: (g) => g.lag, cell: (g) => number(g.lag) },
      { name: 'seconds', label: t('lag.seconds'), kind: 'number', sort: (g) => g.lag_seconds, cell: (g) => span(g.lag_seconds * 1000) },
      { name: 'tps', label: t('out'), kind: 'number', sort: (g) => g.tps, cell: (g) => t('per.second', { rate: rate(g.tps) }) },
    ]} />`}<//><//>`;
}

function Producers({ name }) {
  const { query } = useRoute();
  const known = useLive('/producers', { limit: 500 }, 10000);
  const groups = [...new Set(known.data?.items.map((p) => p.group))].sort();
  const group = query.group ?? groups[0];
  const live = useLive(group ? `/topics/${seg(name)}/producers` : null, { group }, 10000);
  const choose = groups.length > 0 && html`<label class="choice"><span class="hidden">${t('half.group')}</span><select onChange=${(e) => ask({ group: e.target.value })}>${groups.map((g) => html`<option key=${g} selected=${g === group}>${g}</option>`)}</select></label>`;
  return html`<${Panel} title=${t('topic.tab.producers')} flush actions=${choose}><${Loaded} of=${known.data && !group ? { data: { items: [] } } : group ? live : known}>${(data) => html`<${Table} label=${t('topic.tab.producers')} id=${(p) => p.id + p.addr} rows=${data.items}
    empty=${html`<${Empty} icon="connections" title=${t('topic.noproducers')}>${t('topic.noproducers.text')}<//>`} columns=${[
      { name: 'id', label: t('client'), kind: 'main', cell: (p) => html`<code>${p.id}</code>` },
      { name: 'addr', label: t('address'), cell: (p) => html`<code>${p.addr}</code>` },
      { name: 'language', label: t('language'), cell: (p) => p.language },
      { name: 'version', label: t('version'), cell: (p) => p.version },
    ]} />`}<//><//>`;
}

function Route({ name }) {
  const live = useLive(`/topics/${seg(name)}/route`);
  return html`<${Loaded} of=${live}>${(data) => html`<div class="columns">
    <${Panel} title=${t('brokers')} flush><${Table} label=${t('brokers')} id=${(b) => b.name} rows=${data.brokers} columns=${[
      { name: 'name', label: t('broker'), kind: 'main', cell: (b) => b.name },
      { name: 'cluster', label: t('cluster'), cell: (b) => b.cluster },
      { name: 'addrs', label: t('address'), cell: (b) => Object.entries(b.addrs).map(([id, addr]) => html`<div key=${id}><code>${addr}</code> <small>${id === '0' ? t('master') : t('slave')}</small></div>`) },
    ]} /><//>
    <${Panel} title=${t('queues')} flush><${Table} label=${t('queues')} id=${(q) => q.broker} rows=${data.queues} columns=${[
      { name: 'broker', label: t('broker'), kind: 'main', cell: (q) => q.broker },
      { name: 'read', label: t('queues.read'), kind: 'number', cell: (q) => q.read_queues },
      { name: 'write', label: t('queues.write'), kind: 'number', cell: (q) => q.write_queues },
      { name: 'perm', label: t('perm'), cell: (q) => t('perm.' + q.perm) },
    ]} /><//></div>`}<//>`;
}

function Config({ topic }) {
  return html`<${Loaded} of=${topic}>${(x) => x.placed.map((p) => html`<${Panel} key=${p.broker} title=${p.broker} actions=${html`<button type="button" class="small-button" onClick=${() => edit(x).then(topic.reload)}>${t('change')}</button>`}>
    <${Facts} rows=${[
      [t('queues.write'), number(p.write_queues)], [t('queues.read'), number(p.read_queues)], [t('perm'), html`<${Badge} kind=${p.perm === 'RW' ? '' : 'warn'}>${t('perm.' + p.perm)}<//>`], [t('topic.order'), yesNo(p.order)],
      ...Object.entries(p.attributes).map(([k, v]) => [html`<code>${k}</code>`, html`<code>${v}</code>`]),
    ]} /><//>`)}<//>`;
}

function TailTab({ name }) {
  return html`<${Tail} topic=${name} />`;
}
