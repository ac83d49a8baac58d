// The overview: is the cluster well, how busy is it, what wants looking at.
import { html } from '../parts/dom.js';
import { t } from '../parts/i18n.js';
import { Loaded, useLive } from '../parts/live.js';
import { Badge, Empty, Icon, Meter, Page, Panel, Ago } from '../parts/show.js';
import { Table } from '../parts/table.js';
import { History, Ranges } from '../parts/chart.js';
import { ask, link, useRoute } from '../parts/router.js';
import { number, percent, rate, short, size, span } from '../parts/format.js';

export default function Overview() {
  const live = useLive('/overview', {}, 5000);
  const lagging = useLive('/groups', { sort: '-lag', limit: 6 }, 10000);
  const { query } = useRoute();
  const range = query.range ?? '1h';
  return html`<${Page} title=${t('nav.overview')} actions=${html`<${Ranges} value=${range} change=${(r) => ask({ range: r === '1h' ? undefined : r })} />`}>
    <${Loaded} of=${live}>${(data) => html`
      <${Tiles} data=${data} />
      <${Attention} data=${data} groups=${lagging.data?.items ?? []} />
      <div class="charts four">
        <${History} title=${t('overview.rates')} params=${{ of: 'cluster' }} names=${['in_tps', 'out_tps']} range=${range} />
        <${History} title=${t('overview.lag')} params=${{ of: 'cluster' }} names=${['lag']} range=${range} />
        <${History} title=${t('overview.disk')} params=${{ of: 'cluster' }} names=${['disk_used']} range=${range} />
        ${data.brokers.some((b) => b.connections !== undefined) && html`<${History} title=${t('overview.connections')} params=${{ of: 'cluster' }} names=${['connections']} range=${range} />`}
      </div>
      <${Brokers} data=${data} />
      <div class="columns">
        <${Panel} title=${t('overview.namesrvs')} flush>
          <${Table} label=${t('overview.namesrvs')} id=${(s) => s.addr} rows=${data.namesrvs} columns=${[
            { name: 'addr', label: t('address'), kind: 'main', cell: (s) => html`<code>${s.addr}</code>` },
            { name: 'state', label: t('state'), cell: (s) => html`<${Health} of=${s} />` },
          ]} /><//>
        <${Panel} title=${t('overview.behind')} flush actions=${html`<a href=${link(['groups'], { sort: '-lag' })}>${t('all.groups')}</a>`}>
          <${Loaded} of=${lagging}>${(page) => html`<${Table} label=${t('overview.behind')} id=${(g) => g.group} rows=${page.items.filter((g) => g.lag > 0)}
            empty=${html`<${Empty} icon="check" title=${t('overview.caughtup')}><//>`} columns=${[
              { name: 'group', label: t('group'), kind: 'main', cell: (g) => html`<a href=${link(['groups', g.group])}>${g.group}</a>` },
              { name: 'lag', label: t('lag'), kind: 'number', cell: (g) => number(g.lag) },
              { name: 'seconds', label: t('lag.seconds'), kind: 'number', cell: (g) => span(g.lag_seconds * 1000) },
            ]} />`}<//>
        <//>
      </div>`}<//>
  <//>`;
}

function Tiles({ data }) {
  const sum = (name) => data.clusters.reduce((n, c) => n + c[name], 0);
  const up = data.brokers.filter((b) => b.up).length;
  const { totals } = data;
  const fullest = Math.max(0, ...data.brokers.map((b) => b.disk_used ?? 0));
  const tiles = [
    [t('brokers'), `${up}/${data.brokers.length}`, up < data.brokers.length ? 'bad' : '', t('overview.up')],
    [t('in'), t('per.second', { rate: rate(sum('in_tps')) }), '', t('today', { n: short(sum('in_today')) })],
    [t('out'), t('per.second', { rate: rate(sum('out_tps')) }), '', t('today', { n: short(sum('out_today')) })],
    [t('lag'), short(totals.lag), '', t('messages.unit'), link(['groups'], { sort: '-lag' })],
    [t('disk'), percent(fullest), fullest > 0.9 ? 'bad' : fullest > 0.75 ? 'warn' : '', t('overview.fullest')],
    [t('nav.topics'), number(totals.topics), '', t('overview.topics'), link(['topics'])],
    [t('nav.groups'), number(totals.groups), '', `${t('overview.consumers', { n: totals.clients ?? 0 })}, ${t('overview.producers', { n: totals.producers ?? 0 })}`, link(['groups'])],
    [t('nav.deadletters'), number(totals.dead_letters_groups), totals.dead_letters_groups ? 'warn' : '', t('overview.deadgroups', { n: totals.dead_letters_groups ?? 0 }), link(['deadletters'])],
  ];
  return html`<div class="tiles eight">${tiles.map(([name, value, kind, more, to]) => {
    const content = html`<span>${name}</span><b class=${kind}>${value}</b><small title=${more}>${more}</small>`;
    return to ? html`<a class="tile" key=${name} href=${to}>${content}</a>` : html`<div class="tile" key=${name}>${content}</div>`;
  })}</div>`;
}

// Attention lists what an operator would want to be told without looking.
function Attention({ data, groups }) {
  const rows = [
    ...data.problems.map((text) => ['bad', text]),
    ...data.brokers.filter((b) => !b.up).map((b) => ['bad', t('attention.down', { name: b.name, error: b.error })]),
    ...data.namesrvs.filter((s) => !s.up).map((s) => ['bad', t('attention.namesrv', { name: s.addr, error: s.error })]),
    ...data.brokers.filter((b) => b.disk_used > 0.75).map((b) => [b.disk_used > 0.9 ? 'bad' : 'warn', t('attention.disk', { name: b.name, share: percent(b.disk_used) }), link(['settings'], { q: 'disk' })]),
    ...groups.filter((g) => g.known && !g.online && g.lag > 0).map((g) => ['warn', t('attention.offline', { group: g.group, n: g.lag }), link(['groups', g.group])]),
  ];
  if (!rows.length) return null;
  return html`<${Panel} title=${t('attention')}><ul class="bars">${rows.map(([kind, text, to]) => html`<li key=${text} class=${'health ' + kind}><i class="dot"></i>${to ? html`<a href=${to}>${text}</a>` : text}</li>`)}</ul><//>`;
}

const Health = ({ of }) => html`<span class=${'health ' + (of.up ? 'ok' : 'bad')} title=${of.error}><i class="dot"></i>${of.up ? t('up') : t('down')}</span>`;

function Brokers({ data }) {
  return html`<${Panel} title=${t('brokers')} flush>
    <${Table} label=${t('brokers')} id=${(b) => b.addr} rows=${data.brokers} sortHere empty=${html`<${Empty} title=${t('overview.nobrokers')}>${t('overview.nobrokers.fix')}<//>`} columns=${[
      { name: 'name', label: t('broker'), kind: 'main', sort: (b) => b.name, cell: (b) => html`<a href=${link(['brokers', b.addr])}>${b.name}</a>` },
      { name: 'state', label: t('state'), cell: (b) => html`<${Health} of=${b} /> ${b.role === 'slave' && html`<${Badge}>${t('slave')}<//>`}` },
      { name: 'addr', label: t('address'), cell: (b) => html`<code>${b.addr}</code>` },
      { name: 'version', label: t('version'), cell: (b) => b.product || b.version },
      { name: 'in', label: t('in'), kind: 'number', sort: (b) => b.in_tps, cell: (b) => t('per.second', { rate: rate(b.in_tps) }) },
      { name: 'out', label: t('out'), kind: 'number', sort: (b) => b.out_tps, cell: (b) => t('per.second', { rate: rate(b.out_tps) }) },
      { name: 'today', label: t('overview.today'), kind: 'number', sort: (b) => b.in_today, cell: (b) => short(b.in_today) },
      { name: 'disk', label: t('disk'), sort: (b) => b.disk_used, cell: (b) => b.disk_used === undefined ? '–' : html`<span class="meter"><${Meter} value=${b.disk_used} label=${t('disk')} />${percent(b.disk_used)}</span>` },
      { name: 'log', label: t('overview.log'), kind: 'number', sort: (b) => b.log_bytes, cell: (b) => size(b.log_bytes) },
      { name: 'oldest', label: t('overview.oldest'), kind: 'tight', cell: (b) => html`<${Ago} at=${b.oldest_message} />` },
      { name: 'started', label: t('overview.started'), kind: 'tight', cell: (b) => html`<${Ago} at=${b.started} />` },
    ]} />
  <//>`;
}
