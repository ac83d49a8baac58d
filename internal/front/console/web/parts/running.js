// What one client of a group says about itself, and where its threads are.
import { html, useState } from './dom.js';
import { t } from './i18n.js';
import { seg } from './api.js';
import { Loaded, useLive } from './live.js';
import { Facts, Panel, When } from './show.js';
import { Table } from './table.js';
import { open } from './dialog.js';
import { number, rate, yesNo } from './format.js';

export function running(group, client) {
  open(client, function Running() {
    const [stack, setStack] = useState(false);
    const live = useLive(`/groups/${seg(group)}/clients/${seg(client)}`, { stack: stack ? 1 : undefined });
    return html`<div class="dialog-body"><${Loaded} of=${live}>${(x) => html`
      <${Panel} title=${t('running.queues')} flush><${Table} label=${t('running.queues')} id=${(q) => q.topic + q.broker + q.queue} rows=${x.queues} empty=${html`<p class="empty">${t('running.noqueues')}</p>`} columns=${[
        { name: 'queue', label: t('queue'), kind: 'main', cell: (q) => `${q.topic} · ${q.broker} · ${q.queue}` },
        { name: 'committed', label: t('offset.committed'), kind: 'number', cell: (q) => number(q.committed) },
        { name: 'cached', label: t('running.cached'), kind: 'number', cell: (q) => number(q.cached) },
        { name: 'locked', label: t('running.locked'), cell: (q) => yesNo(q.locked) },
        { name: 'pull', label: t('running.lastpull'), kind: 'tight', cell: (q) => html`<${When} at=${q.last_pull} />` },
      ]} /><//>
      ${x.pop_queues?.length > 0 && html`<${Panel} title=${t('running.pop')} flush><${Table} label=${t('running.pop')} rows=${x.pop_queues} columns=${[
        { name: 'queue', label: t('queue'), kind: 'main', cell: (q) => `${q.topic} · ${q.broker} · ${q.queue}` },
        { name: 'ack', label: t('running.waitack'), kind: 'number', cell: (q) => number(q.wait_ack) },
        { name: 'pop', label: t('running.lastpop'), kind: 'tight', cell: (q) => html`<${When} at=${q.last_pop} />` },
      ]} /><//>`}
      ${x.status?.length > 0 && html`<${Panel} title=${t('running.status')} flush><${Table} label=${t('running.status')} id=${(s) => s.topic} rows=${x.status} columns=${[
        { name: 'topic', label: t('topic'), kind: 'main', cell: (s) => s.topic },
        { name: 'pull', label: t('running.pulltps'), kind: 'number', cell: (s) => rate(s.pull_tps) },
        { name: 'ok', label: t('running.oktps'), kind: 'number', cell: (s) => rate(s.consume_ok_tps) },
        { name: 'failed', label: t('running.failedtps'), kind: 'number', cell: (s) => rate(s.consume_failed_tps) },
        { name: 'hour', label: t('running.failedhour'), kind: 'number', cell: (s) => number(s.failed_hour) },
        { name: 'ms', label: t('running.ms'), kind: 'number', cell: (s) => rate(s.consume_ms) },
      ]} /><//>`}
      <${Panel} title=${t('running.properties')}><${Facts} rows=${Object.entries(x.properties).map(([k, v]) => [k, html`<code>${v}</code>`])} /><//>
      ${x.stack ? html`<${Panel} title=${t('running.stack')}><pre class="body" tabindex="0">${x.stack}</pre><//>` : html`<div><button type="button" onClick=${() => setStack(true)}>${t('running.getstack')}</button></div>`}
    `}<//></div>`;
  }, { wide: true });
}
