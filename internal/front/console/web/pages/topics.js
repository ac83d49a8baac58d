// The topics: searched, filtered and paged by the server.
import { html } from '../parts/dom.js';
import { t } from '../parts/i18n.js';
import { post, seg, send } from '../parts/api.js';
import { Loaded, useLive } from '../parts/live.js';
import { Badge, Choice, Empty, Icon, Page, Panel, Search } from '../parts/show.js';
import { Pager, Table } from '../parts/table.js';
import { place } from '../parts/place.js';
import { Form, dropped, unpairs } from '../parts/form.js';
import { notice, open } from '../parts/dialog.js';
import { ask, go, link, useRoute } from '../parts/router.js';
import { number, rate } from '../parts/format.js';

export const kinds = ['NORMAL', 'FIFO', 'DELAY', 'TRANSACTION', 'PRIORITY', 'LITE', 'MIXED'];
const limit = 50;

export const Type = ({ type }) => type && type !== 'UNSPECIFIED' ? html`<${Badge} kind=${type === 'NORMAL' ? '' : 'accent'}>${type}<//>` : null;

export default function Topics() {
  const { query } = useRoute();
  const params = { q: query.q, kind: query.kind, type: query.type, sort: query.sort ?? 'name', offset: (Number(query.page ?? 1) - 1) * limit, limit, rates: 1 };
  const live = useLive('/topics', params, 10000);
  const make = () => edit().then((name) => name && go(link(['topics', name])));
  return html`<${Page} title=${t('nav.topics')} actions=${html`<button type="button" class="primary" onClick=${make}><${Icon} name="plus" />${t('topic.create')}</button>`}>
    <div class="bar">
      <${Search} label=${t('topics.search')} />
      <${Choice} label=${t('topics.kind')} name="kind" options=${[['', t('kind.user')], ['retry', t('kind.retry')], ['dlq', t('kind.dlq')], ['system', t('kind.system')], ['all', t('kind.all')]]} />
      <${Choice} label=${t('type')} name="type" options=${[['', t('topics.anytype')], ...[...kinds, 'UNSPECIFIED'].map((k) => [k, k])]} />
    </div>
    <${Panel} flush>
      <${Loaded} of=${live}>${(page) => html`
        <${Table} label=${t('nav.topics')} id=${(x) => x.name} rows=${page.items} empty=${html`<${Nothing} loading=${page.loading} query=${query} make=${make} />`} columns=${[
          { name: 'name', label: t('topic'), kind: 'main', sort: true, cell: (x) => html`<a href=${link(['topics', x.name])}>${x.name}</a>` },
          { name: 'type', label: t('type'), cell: (x) => html`<${Type} type=${x.type} />` },
          { name: 'in_tps', label: t('in'), kind: 'number', cell: (x) => x.in_tps === undefined ? '–' : t('per.second', { rate: rate(x.in_tps) }) },
          { name: 'lag', label: t('lag'), kind: 'number', cell: (x) => number(x.lag) },
          { name: 'queues', label: t('queues'), kind: 'number', sort: true, cell: (x) => x.read_queues === x.write_queues ? number(x.read_queues) : t('topic.readwrite', { read: x.read_queues, write: x.write_queues }) },
          { name: 'perm', label: t('perm'), cell: (x) => html`<${Badge} kind=${x.perm === 'RW' ? '' : 'warn'}>${t('perm.' + x.perm)}<//>` },
          { name: 'brokers', label: t('brokers'), cell: (x) => x.brokers.join(', ') },
          { name: 'attributes', label: t('attributes'), kind: 'preview', cell: (x) => unpairs(Object.fromEntries(Object.entries(x.attributes).filter(([k]) => k !== 'message.type'))).replaceAll('\n', ' ') },
        ]} />
        <${Pager} total=${page.total} limit=${limit} />`}<//>
    <//>
  <//>`;
}

function Nothing({ loading, query, make }) {
  if (loading) return html`<${Empty} title=${t('snapshot')}>${t('snapshot.text')}<//>`;
  if (query.q || query.type || query.kind) {
    return html`<${Empty} icon="search" title=${t('none.found')}>${t('none.found.text')}
      <div class="actions"><button type="button" onClick=${() => ask({ q: undefined, type: undefined, kind: undefined, page: undefined })}>${t('filters.clear')}</button></div><//>`;
  }
  return html`<${Empty} icon="topics" title=${t('topics.none')}>${t('topics.none.text')}<div class="actions"><button type="button" class="primary" onClick=${make}>${t('topic.create')}</button></div><//>`;
}

// edit makes a topic, or changes one; it resolves with its name.
export async function edit(topic) {
  const placed = topic?.placed[0];
  const attributes = { ...placed?.attributes };
  delete attributes['message.type'];
  const fields = [
    !topic && { name: 'name', label: t('name'), required: true, pattern: '[%\\|a-zA-Z0-9_\\-]+', patternHint: t('name.hint'), max: 127, hint: t('name.hint'), autofocus: true, wide: true },
    !topic && { name: 'type', label: t('type'), kind: 'select', value: 'NORMAL', options: kinds.map((k) => [k, `${k} – ${t('type.' + k)}`]), wide: true },
    !topic && await place(),
    { name: 'write_queues', label: t('queues.write'), kind: 'number', min: 0, max: 1024, required: true, value: placed?.write_queues ?? 8 },
    { name: 'read_queues', label: t('queues.read'), kind: 'number', min: 0, max: 1024, required: true, value: placed?.read_queues ?? 8 },
    { name: 'perm', label: t('perm'), kind: 'select', value: placed?.perm ?? 'RW', options: ['RW', 'R', 'W', '-'].map((p) => [p, t('perm.' + p)]), hint: t('perm.hint') },
    { name: 'order', label: t('topic.order'), kind: 'check', value: placed?.order ?? false, hint: t('topic.order.hint') },
    { name: 'attributes', label: t('attributes'), kind: 'pairs', value: unpairs(attributes), about: 'dedup.window.seconds=60', hint: t('attributes.hint') },
  ].filter(Boolean);
  return open(topic ? t('change.title', { name: topic.name }) : t('topic.create'), ({ close }) => html`<${Form} fields=${fields} close=${close} action=${t(topic ? 'save' : 'create')} act=${async (values) => {
    if (topic) {
      await send('PATCH', `/topics/${seg(topic.name)}`, { ...values, attributes: { ...values.attributes, ...dropped(attributes, values.attributes) } });
      notice(t('done.changed', { name: topic.name }));
      return topic.name;
    }
    await post('/topics', values);
    notice(t('done.created', { name: values.name }));
    return values.name;
  }} />`);
}
