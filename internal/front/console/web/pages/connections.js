// Who is connected: producers and consumers.
import { html } from '../parts/dom.js';
import { t } from '../parts/i18n.js';
import { Loaded, useLive } from '../parts/live.js';
import { Badge, Empty, Page, Panel, Search, Tabs } from '../parts/show.js';
import { Pager, Table } from '../parts/table.js';
import { link, useRoute } from '../parts/router.js';
import { consumes } from './groups.js';

const limit = 100;

export default function Connections() {
  const { query } = useRoute();
  const tab = query.tab === 'consumers' ? 'consumers' : 'producers';
  const live = useLive('/' + tab, { q: query.q, sort: query.sort, offset: (Number(query.page ?? 1) - 1) * limit, limit }, 5000);
  const groups = tab === 'consumers';
  return html`<${Page} title=${t('nav.connections')}>
    <${Tabs} label=${t('nav.connections')} all=${['producers', 'consumers'].map((id) => ({ id, label: t('connections.' + id) }))} />
    <div class="bar"><${Search} label=${t('connections.search')} key=${tab} /></div>
    <${Panel} flush><${Loaded} of=${live}>${(page) => html`<${Table} label=${t('connections.' + tab)} id=${(c) => c.group + c.id + c.addr} rows=${page.items}
      empty=${page.loading ? html`<${Empty} title=${t('snapshot')}>${t('snapshot.text')}<//>` : html`<${Empty} icon="connections" title=${t(query.q ? 'none.found' : 'connections.none')}>${t(query.q ? 'none.found.text' : 'connections.none.text')}<//>`} columns=${[
        { name: 'id', label: t('client'), kind: 'main', cell: (c) => html`<code>${c.id}</code>` },
        { name: 'group', label: t('group'), cell: (c) => (groups ? html`<a href=${link(['groups', c.group], { tab: 'clients' })}>${c.group}</a>` : c.group) },
        { name: 'addr', label: t('address'), cell: (c) => html`<code>${c.addr}</code>` },
        { name: 'language', label: t('language'), cell: (c) => html`<${Badge}>${c.language}<//>` },
        { name: 'version', label: t('version'), cell: (c) => c.version },
        groups ? { name: 'type', label: t('type'), cell: (c) => consumes(c.type) } : { name: 'broker', label: t('broker'), cell: (c) => c.broker },
      ]} /><${Pager} total=${page.total} limit=${limit} />`}<//><//>
  <//>`;
}
