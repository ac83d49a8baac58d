// The settings of a broker or the name servers, changed while they run.
import { html } from '../parts/dom.js';
import { t } from '../parts/i18n.js';
import { seg, send } from '../parts/api.js';
import { Loaded, useLive } from '../parts/live.js';
import { Badge, Empty, Fault, Page, Panel, Search, Wait } from '../parts/show.js';
import { Pager, Table, useWindow } from '../parts/table.js';
import { Form } from '../parts/form.js';
import { confirm, notice, open } from '../parts/dialog.js';
import { ask, useRoute } from '../parts/router.js';

const limit = 100;

export default function Settings() {
  const { query } = useRoute();
  const overview = useLive('/overview');
  const brokers = overview.data?.brokers ?? [];
  const chosen = query.broker ?? brokers[0]?.addr;
  const pick = html`<label class="choice"><span class="hidden">${t('settings.server')}</span><select onChange=${(e) => ask({ broker: e.target.value, page: undefined })}>
    ${brokers.map((b) => html`<option key=${b.addr} value=${b.addr} selected=${b.addr === chosen}>${b.name}${b.role === 'slave' ? ` (${b.id})` : ''} · ${b.addr}</option>`)}
    <option value="namesrv" selected=${chosen === 'namesrv'}>${t('overview.namesrvs')}</option></select></label>`;
  return html`<${Page} title=${t('nav.settings')}>
    <div class="bar"><${Search} label=${t('settings.search')} />${pick}
      <label class="field check"><input type="checkbox" checked=${query.changed === '1'} onChange=${(e) => ask({ changed: e.target.checked ? 1 : undefined, page: undefined })} /><span>${t('settings.changed')}</span></label></div>
    ${overview.error && html`<${Fault} error=${overview.error} again=${overview.reload} />`}
    ${!chosen && !overview.error && html`<${Wait} />`}
    ${chosen && html`<${List} key=${chosen} server=${chosen} query=${query} />`}
  <//>`;
}

function List({ server, query }) {
  const path = server === 'namesrv' ? '/namesrv/settings' : `/brokers/${seg(server)}/settings`;
  const live = useLive(path, {}, 0);
  const needle = (query.q ?? '').toLowerCase();
  const matches = (s) => (!needle || `${s.key} ${s.name ?? ''} ${s.doc ?? ''} ${s.value}`.toLowerCase().includes(needle)) && (query.changed !== '1' || s.changed);
  const servers = live.data?.servers ?? (live.data ? [live.data] : []);
  return html`<${Loaded} of=${live}>${() => servers.map((s) => html`<${Server} key=${s.server} path=${path} server=${s.server} all=${s.settings.filter(matches).sort((a, b) => (a.name || a.key).localeCompare(b.name || b.key))} again=${live.reload} />`)}<//>`;
}

// about is a setting's text without what the column of defaults says.
const about = (s) => (s.default === undefined ? s.doc : s.doc.replace(/ Default [^.,;]+\.$/, ''));

function Server({ path, server, all, again }) {
  const rows = useWindow(all, limit);
  const told = (field) => all.some((s) => s[field] !== undefined); // RocketMQ's brokers tell values alone
  return html`<${Panel} title=${server} flush actions=${html`<span class="muted">${t('settings.count', { n: all.length })}</span>`}>
    <${Table} label=${server} kind="settings" id=${(s) => s.key} rows=${rows} empty=${html`<${Empty} icon="search" title=${t('none.found')}>${t('none.found.text')}<//>`} columns=${[
      { name: 'key', label: t('settings.setting'), kind: 'main', cell: (s) => html`<div><code>${s.name || s.key}</code>${s.name && s.name !== s.key && html` <small>${s.key}</small>`}</div>${s.doc && html`<div class="setting-doc">${about(s)}</div>`}` },
      { name: 'value', label: t('value'), cell: (s) => html`<code class=${s.changed ? 'changed' : ''}>${s.value === '' ? '""' : s.value}</code>` },
      told('default') && { name: 'default', label: t('settings.default'), cell: (s) => s.default !== undefined && html`<code class="muted">${s.default === '' ? '""' : s.default}</code>` },
      (told('live') || all.some((s) => s.changed)) && { name: 'live', label: t('settings.live'), cell: (s) => (s.live !== undefined || s.changed) && html`<span class="badges">${s.live !== undefined && html`<${Badge} kind=${s.live ? 'ok' : ''}>${t(s.live ? 'settings.now' : 'settings.restart')}<//>`}${s.changed && html`<${Badge} kind="warn" title=${s.old}>${t('settings.waschanged')}<//>`}</span>` },
      { name: 'do', label: '', kind: 'actions', cell: (s) => s.live !== false && html`<button type="button" class="small-button" aria-label=${t('settings.change', { key: s.key })} onClick=${() => change(path, s).then((done) => done && again())}>${t('change')}</button>${s.changed && html`<button type="button" class="small-button" onClick=${() => reset(path, s).then((done) => done && again())}>${t('settings.reset')}</button>`}` },
    ].filter(Boolean)} /><${Pager} total=${all.length} limit=${limit} /><//>`;
}

const Change = ({ from, to }) => html`<p class="old-new"><code><del>${from === '' ? '""' : from}</del></code><span aria-hidden="true">→</span><code><ins>${to === '' ? '""' : to}</ins></code></p>`;

// change asks for the new value, then shows old and new before it is done.
async function change(path, s) {
  const value = await open(t('settings.change', { key: s.key }), ({ close }) => html`<${Form} close=${close} action=${t('next')} fields=${[
    ['true', 'false'].includes(s.value) ? { name: 'value', label: t('value'), kind: 'select', value: s.value, wide: true, options: [['true', 'true'], ['false', 'false']], hint: s.doc }
      : { name: 'value', label: t('value'), value: s.value, autofocus: true, keep: true, wide: true, hint: s.doc },
  ]} act=${async ({ value: typed }) => typed} />`);
  if (value === undefined || value === true || value === s.value) return undefined;
  return confirm({
    title: t('settings.change', { key: s.key }), text: t('settings.confirm'), action: t('settings.do'), details: html`<${Change} from=${s.value} to=${value} />`,
    act: async () => {
      const done = await send('PUT', `${path}/${seg(s.key)}`, { value });
      notice(t('settings.done', { key: s.key, from: done.old ?? s.value, to: done.value ?? value }));
    },
  });
}

function reset(path, s) {
  return confirm({
    title: t('settings.reset'), text: t('settings.reset.text', { key: s.key }), action: t('settings.reset'), details: html`<${Change} from=${s.value} to=${s.old ?? ''} />`,
    act: async () => {
      await send('DELETE', `${path}/${seg(s.key)}`);
      notice(t('settings.resetdone', { key: s.key }));
    },
  });
}
