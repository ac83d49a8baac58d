// One broker: its charts, what it says about itself, what can be done to it.
import { html } from '../parts/dom.js';
import { t } from '../parts/i18n.js';
import { post, seg } from '../parts/api.js';
import { Loaded, useLive } from '../parts/live.js';
import { Fault, Page, Panel, Search, Badge } from '../parts/show.js';
import { Table } from '../parts/table.js';
import { History, Ranges } from '../parts/chart.js';
import { confirm, notice } from '../parts/dialog.js';
import { ask, link, useRoute } from '../parts/router.js';

export default function Broker({ path }) {
  const named = path[1];
  const { query } = useRoute();
  const range = query.range ?? '1h';
  const overview = useLive('/overview', {}, 10000);
  const brokers = overview.data?.brokers ?? [];
  const broker = brokers.find((b) => b.addr === named) ?? brokers.find((b) => b.name === named && b.role === 'master');
  const addr = broker?.addr ?? named;
  const status = useLive(`/brokers/${seg(named)}/status`, {}, 10000);
  const lost = overview.data && !overview.data.loading && !broker;
  const actions = lost ? null : html`
    <${Ranges} value=${range} change=${(r) => ask({ range: r === '1h' ? undefined : r })} />
    <a class="button" href=${link(['settings'], { broker: addr })}>${t('nav.settings')}</a>
    <button type="button" onClick=${() => writing(broker, false)} disabled=${!broker}>${t('broker.stopwrites')}</button>
    <button type="button" onClick=${() => writing(broker, true)} disabled=${!broker}>${t('broker.allowwrites')}</button>
    <button type="button" onClick=${() => clean(addr)}>${t('broker.clean')}</button>`;
  const needle = (query.q ?? '').toLowerCase();
  return html`<${Page} title=${broker?.name ?? addr} trail=${{ href: link([]), text: t('nav.overview') }} about=${broker && html`<${Badge}>${broker.product || broker.version}<//><code>${addr}</code>`} actions=${actions}>
    ${broker && html`<div class=${broker.connections === undefined || broker.memory_bytes === undefined ? 'charts' : 'charts four'}>
      <${History} title=${t('overview.rates')} params=${{ of: 'broker', broker: broker.name }} names=${['in_tps', 'out_tps']} range=${range} />
      <${History} title=${t('overview.disk')} params=${{ of: 'broker', broker: broker.name }} names=${['disk_used']} range=${range} />
      ${broker.memory_bytes !== undefined && html`<${History} title=${t('broker.memory')} params=${{ of: 'broker', broker: broker.name }} names=${['memory_bytes']} range=${range} />`}
      ${broker.connections !== undefined && html`<${History} title=${t('overview.connections')} params=${{ of: 'broker', broker: broker.name }} names=${['connections']} range=${range} />`}
    </div>`}
    ${overview.error && html`<${Fault} error=${overview.error} />`}
    <${Panel} title=${t('broker.status')} flush actions=${html`<${Search} label=${t('broker.search')} />`}>
      <${Loaded} of=${status}>${(data) => html`<${Table} label=${t('broker.status')} id=${(r) => r[0]}
        rows=${Object.entries(data.values).filter(([k]) => k.toLowerCase().includes(needle)).sort()} columns=${[
          { name: 'key', label: t('name'), kind: 'main', cell: ([k]) => html`<code>${k}</code>` },
          { name: 'value', label: t('value'), cell: ([, v]) => html`<span class="mono">${v}</span>` },
        ]} />`}<//>
    <//>
  <//>`;
}

function writing(broker, allowed) {
  confirm({
    title: t(allowed ? 'broker.allowwrites' : 'broker.stopwrites'), text: t(allowed ? 'broker.allowwrites.text' : 'broker.stopwrites.text', { name: broker.name }),
    name: allowed ? undefined : broker.name, danger: !allowed, action: t(allowed ? 'broker.allowwrites' : 'broker.stopwrites'),
    act: async () => {
      const { changed } = await post(`/brokers/${seg(broker.name)}/write-permission`, { allowed });
      notice(t('broker.changed', { n: Object.values(changed).reduce((a, b) => a + b, 0) }));
    },
  });
}

function clean(addr) {
  confirm({
    title: t('broker.clean'), text: t('broker.clean.text'), action: t('broker.clean'),
    act: async () => {
      await post(`/brokers/${seg(addr)}/clean`, { what: 'log' });
      notice(t('broker.cleaned'));
    },
  });
}
