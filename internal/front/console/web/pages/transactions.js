// Half messages: sent, but neither committed nor rolled back.
import { html } from '../parts/dom.js';
import { t } from '../parts/i18n.js';
import { post, seg } from '../parts/api.js';
import { Loaded, useLive } from '../parts/live.js';
import { Badge, Empty, Page, Panel, Search, Ago } from '../parts/show.js';
import { Pager, Table, useWindow } from '../parts/table.js';
import { confirm, notice } from '../parts/dialog.js';
import { link, useRoute } from '../parts/router.js';
import { number } from '../parts/format.js';

const most = 1000;
const limit = 50;

export default function Transactions() {
  const { query } = useRoute();
  const live = useLive('/transactions', { topic: query.q, limit: most }, 5000);
  const rows = useWindow(live.data?.items ?? [], limit);
  const settle = (m, what) => confirm({
    title: t(`half.${what}`), text: t(`half.${what}.text`, { topic: m.topic }), name: what === 'check' ? undefined : m.topic, danger: what === 'rollback', action: t(`half.${what}`),
    act: async () => {
      await post(`/transactions/${seg(m.id)}/${what}`);
      notice(t(`half.${what}.done`));
      live.reload();
    },
  });
  return html`<${Page} title=${t('nav.transactions')} about=${t('half.about')}>
    <div class="bar"><${Search} label=${t('delayed.search')} /></div>
    <${Panel} flush><${Loaded} of=${live}>${(data) => html`<${Table} label=${t('nav.transactions')} id=${(m) => m.id} rows=${rows} empty=${html`<${Empty} icon="check" title=${t('half.none')}>${t('half.none.text')}<//>`} columns=${[
      { name: 'id', label: t('message'), kind: 'main', cell: (m) => html`<a href=${link(['messages', m.id])}><code>${m.unique_id || m.id}</code></a>` },
      { name: 'topic', label: t('topic'), cell: (m) => html`<a href=${link(['topics', m.topic])}>${m.topic}</a>` },
      { name: 'group', label: t('half.group'), cell: (m) => m.group },
      { name: 'state', label: t('state'), cell: (m) => m.given_up ? html`<${Badge} kind="bad">${t('half.givenup')}<//>` : html`<${Badge} kind="warn">${t('half.pending')}<//>` },
      { name: 'born', label: t('message.born'), kind: 'tight', cell: (m) => html`<${Ago} at=${m.born} />` },
      { name: 'checks', label: t('half.checks'), kind: 'number', cell: (m) => number(m.checks) },
      { name: 'broker', label: t('broker'), cell: (m) => m.broker },
      { name: 'do', label: '', kind: 'actions', cell: (m) => ['commit', 'rollback', 'check'].map((w) => html`<button type="button" key=${w} class=${'small-button' + (w === 'rollback' ? ' quiet-danger' : '')} onClick=${() => settle(m, w)}>${t(`half.${w}`)}</button>`) },
    ]} />
    ${data.items.length > 0 && html`<${Pager} total=${data.items.length} limit=${limit} />`}
    ${data.items.length >= most && html`<p class="note">${t('first', { n: most })}</p>`}`}<//><//>
  <//>`;
}
