// Messages that wait for a time of their own.
import { html } from '../parts/dom.js';
import { t } from '../parts/i18n.js';
import { post } from '../parts/api.js';
import { Loaded, useLive } from '../parts/live.js';
import { Badge, Empty, Page, Panel, Search, Ago, When } from '../parts/show.js';
import { Pager, Table, useWindow } from '../parts/table.js';
import { confirm, notice } from '../parts/dialog.js';
import { link, useRoute } from '../parts/router.js';
import { instant, number, size } from '../parts/format.js';

const most = 1000;
const limit = 50;

export default function Delayed() {
  const { query } = useRoute();
  const live = useLive('/delayed', { topic: query.q, limit: most }, 5000);
  const rows = useWindow(live.data?.items ?? [], limit);
  const recall = (m) => confirm({
    title: t('recall.title'), text: t('recall.text', { topic: m.topic, time: instant(m.due) }), danger: true, action: t('recall.do'),
    act: async () => {
      await post('/delayed/recall', { handle: m.handle });
      notice(t('recall.done'));
      live.reload();
    },
  });
  return html`<${Page} title=${t('nav.delayed')} about=${t('delayed.about')}>
    <div class="bar"><${Search} label=${t('delayed.search')} /></div>
    <${Panel} flush><${Loaded} of=${live}>${(data) => html`<${Table} label=${t('nav.delayed')} id=${(m) => m.handle} rows=${rows} empty=${html`<${Empty} icon="delayed" title=${t('delayed.none')}>${t('delayed.none.text')}<//>`} columns=${[
      { name: 'id', label: t('message'), kind: 'main', cell: (m) => html`<code>${m.id}</code>` },
      { name: 'topic', label: t('topic'), cell: (m) => html`<a href=${link(['topics', m.topic])}>${m.topic}</a>` },
      { name: 'due', label: t('delayed.due'), kind: 'tight', cell: (m) => html`<${When} at=${m.due} /> <small><${Ago} at=${m.due} /></small>` },
      { name: 'stored', label: t('message.stored'), kind: 'tight', cell: (m) => html`<${When} at=${m.stored} />` },
      { name: 'tag', label: t('tag'), cell: (m) => m.tag && html`<${Badge}>${m.tag}<//>` },
      { name: 'keys', label: t('message.keys'), cell: (m) => m.keys.join(' ') },
      { name: 'size', label: t('size'), kind: 'number', cell: (m) => size(m.size) },
      { name: 'broker', label: t('broker'), cell: (m) => m.broker },
      { name: 'do', label: '', kind: 'actions', cell: (m) => html`<button type="button" class="small-button" disabled=${!m.handle} onClick=${() => recall(m)}>${t('recall.action')}</button>` },
    ]} />
    ${data.items.length > 0 && html`<${Pager} total=${data.items.length} limit=${limit} />`}
    ${data.items.length >= most && html`<p class="note">${t('first', { n: most })}</p>`}`}<//><//>
  <//>`;
}
