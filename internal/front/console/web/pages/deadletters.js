// The groups that have dead letters, and the work on them that runs.
import { html } from '../parts/dom.js';
import { t } from '../parts/i18n.js';
import { Loaded, useLive } from '../parts/live.js';
import { Empty, Page, Panel, Ago } from '../parts/show.js';
import { Table } from '../parts/table.js';
import { Jobs } from '../parts/jobs.js';
import { link } from '../parts/router.js';
import { number } from '../parts/format.js';

export default function DeadLetters() {
  const live = useLive('/dead-letters', {}, 10000);
  return html`<${Page} title=${t('nav.deadletters')}>
    <${Panel} title=${t('dead.groups')} flush><${Loaded} of=${live}>${(data) => html`<${Table} label=${t('dead.groups')} id=${(g) => g.group + g.broker} rows=${data.items} sortHere
      empty=${data.loading ? html`<${Empty} title=${t('snapshot')}>${t('snapshot.text')}<//>` : html`<${Empty} icon="check" title=${t('dead.none')}>${t('dead.none.text')}<//>`} columns=${[
        { name: 'group', label: t('group'), kind: 'main', sort: (g) => g.group, cell: (g) => html`<a href=${link(['deadletters', g.group])}>${g.group}</a>` },
        { name: 'waiting', label: t('dead.waiting'), kind: 'number', sort: (g) => g.waiting, cell: (g) => number(g.waiting) },
        { name: 'sent', label: t('dead.sent'), kind: 'number', sort: (g) => g.sent, cell: (g) => number(g.sent) },
        { name: 'purged', label: t('dead.purged'), kind: 'number', sort: (g) => g.purged, cell: (g) => number(g.purged) },
        { name: 'broker', label: t('broker'), cell: (g) => g.broker },
        { name: 'first', label: t('dead.first'), kind: 'tight', sort: (g) => g.first ?? '', cell: (g) => html`<${Ago} at=${g.first} />` },
        { name: 'last', label: t('dead.last'), kind: 'tight', sort: (g) => g.last ?? '', cell: (g) => html`<${Ago} at=${g.last} />` },
      ]} />`}<//><//>
    <${Jobs} />
  <//>`;
}
