// The consumer groups, with how far they are behind.
import { html } from '../parts/dom.js';
import { t } from '../parts/i18n.js';
import { Loaded, useLive } from '../parts/live.js';
import { Badge, Choice, Empty, Icon, Page, Panel, Search } from '../parts/show.js';
import { Pager, Table } from '../parts/table.js';
import { ask, go, link, useRoute } from '../parts/router.js';
import { number, rate, span } from '../parts/format.js';
import { Online } from '../parts/online.js';
import { edit } from '../parts/group.js';

const limit = 50;

export default function Groups() {
  const { query } = useRoute();
  const live = useLive('/groups', { q: query.q, kind: query.kind, sort: query.sort ?? 'name', offset: (Number(query.page ?? 1) - 1) * limit, limit }, 5000);
  const make = () => edit().then((name) => name && go(link(['groups', name])));
  const known = (g, text) => (g.known === false ? html`<span class="muted" title=${t('groups.unknown')}>…</span>` : text);
  return html`<${Page} title=${t('nav.groups')} actions=${html`<button type="button" class="primary" onClick=${make}><${Icon} name="plus" />${t('group.create')}</button>`}>
    <div class="bar">
      <${Search} label=${t('groups.search')} />
      <${Choice} label=${t('topics.kind')} name="kind" options=${[['', t('kind.user')], ['system', t('kind.system')], ['all', t('kind.all')]]} />
    </div>
    <${Panel} flush><${Loaded} of=${live}>${(page) => html`
      <${Table} label=${t('nav.groups')} id=${(g) => g.group} rows=${page.items} empty=${html`<${Nothing} loading=${page.loading} query=${query} make=${make} />`} columns=${[
        { name: 'name', label: t('group'), kind: 'main', sort: true, cell: (g) => html`<a href=${link(['groups', g.group])}>${g.group}</a>` },
        { name: 'online', label: t('state'), cell: (g) => known(g, html`<span class="badges"><${Online} on=${g.online} />${g.enabled === false && html`<${Badge} kind="warn">${t('group.disabled')}<//>`}</span>`) },
        { name: 'lag', label: t('lag'), kind: 'number', sort: true, cell: (g) => known(g, number(g.lag)) },
        { name: 'lag_seconds', label: t('lag.seconds'), kind: 'number', sort: true, cell: (g) => known(g, span(g.lag_seconds * 1000)) },
        { name: 'tps', label: t('out'), kind: 'number', sort: true, cell: (g) => known(g, t('per.second', { rate: rate(g.tps) })) },
        { name: 'clients', label: t('clients'), kind: 'number', sort: true, cell: (g) => known(g, number(g.clients)) },
        { name: 'topics', label: t('nav.topics'), kind: 'number', cell: (g) => known(g, number(g.topics)) },
        { name: 'type', label: t('type'), cell: (g) => (g.type ? html`<span class="badges">${consumes(g.type)}${g.model === 'BROADCASTING' && html` <${Badge}>${t('group.broadcasting')}<//>`}</span>` : '–') },
      ]} />
      <${Pager} total=${page.total} limit=${limit} />`}<//><//>
  <//>`;
}

// consumes says how clients get their messages.
export const consumes = (type) => ({ CONSUME_ACTIVELY: t('group.pull'), CONSUME_PASSIVELY: t('group.push'), CONSUME_POP: t('group.pop') })[type] ?? type;

function Nothing({ loading, query, make }) {
  if (loading) return html`<${Empty} title=${t('snapshot')}>${t('snapshot.text')}<//>`;
  if (query.q || query.kind) {
    return html`<${Empty} icon="search" title=${t('none.found')}>${t('none.found.text')}
      <div class="actions"><button type="button" onClick=${() => ask({ q: undefined, kind: undefined, page: undefined })}>${t('filters.clear')}</button></div><//>`;
  }
  return html`<${Empty} icon="groups" title=${t('groups.none')}>${t('groups.none.text')}<div class="actions"><button type="button" class="primary" onClick=${make}>${t('group.create')}</button></div><//>`;
}
