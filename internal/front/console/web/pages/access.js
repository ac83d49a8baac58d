// Who may do what: users and their policies.
import { html } from '../parts/dom.js';
import { t } from '../parts/i18n.js';
import { post, seg, send, site, theSession } from '../parts/api.js';
import { useLive, Loaded } from '../parts/live.js';
import { Badge, Empty, Icon, Page, Panel, Search, Tabs } from '../parts/show.js';
import { Table } from '../parts/table.js';
import { Form } from '../parts/form.js';
import { Explain } from '../parts/explain.js';
import { confirm, notice, open } from '../parts/dialog.js';
import { useRoute } from '../parts/router.js';

export default function Access() {
  const { query } = useRoute();
  const tab = query.tab ?? 'users';
  const View = { users: Users, policies: Policies, explain: Explain }[tab] ?? Users;
  const session = theSession();
  const off = !session.authentication && site() === session.sites[0]?.name;
  return html`<${Page} title=${t('nav.access')}>
    ${off && html`<p class="note warn">${t('access.noeffect')}</p>`}
    <${Tabs} label=${t('nav.access')} all=${['users', 'policies', 'explain'].map((id) => ({ id, label: t('access.' + id) }))} />
    <${View} key=${tab} />
  <//>`;
}

// Off says how access control is switched on, where it is not.
export function Off({ of, children }) {
  if (of.error?.code !== 'not_supported') return children;
  return html`<${Panel}><${Empty} icon="access" title=${t('access.off')}>${of.error.message}. ${of.error.fix}<//><//>`;
}

function Users() {
  const { query } = useRoute();
  const live = useLive('/users', { q: query.q });
  const edit = (user) => open(user ? t('change.title', { name: user.user }) : t('user.create'), ({ close }) => html`<${Form} close=${close} action=${t(user ? 'save' : 'create')} fields=${[
    !user && { name: 'user', label: t('login.user'), required: true, autofocus: true },
    { name: 'password', label: t('login.password'), kind: 'password', required: !user, hint: user && t('user.password.hint'), complete: 'new-password' },
    { name: 'type', label: t('type'), kind: 'select', value: user?.type ?? 'Normal', options: [['Normal', t('user.normal')], ['Super', t('user.super')]], hint: t('user.type.hint') },
    { name: 'status', label: t('state'), kind: 'select', value: user?.status ?? 'enable', options: [['enable', t('user.enable')], ['disable', t('user.disable')]] },
  ].filter(Boolean)} act=${async (values) => {
    if (user) await send('PATCH', `/users/${seg(user.user)}`, values);
    else await post('/users', values);
    notice(t(user ? 'done.changed' : 'done.created', { name: user?.user ?? values.user }));
  }} />`).then((done) => done && live.reload());
  const remove = (user) => confirm({
    title: t('user.delete'), text: t('user.delete.text'), name: user.user, danger: true, action: t('delete'),
    act: async () => {
      await send('DELETE', `/users/${seg(user.user)}`);
      notice(t('done.deleted', { name: user.user }));
      live.reload();
    },
  });
  const actions = html`<${Search} label=${t('access.search')} /><button type="button" class="primary" onClick=${() => edit()}><${Icon} name="plus" />${t('user.create')}</button>`;
  return html`<${Off} of=${live}><${Panel} title=${t('access.users')} flush actions=${actions}><${Loaded} of=${live}>${(data) => html`<${Table} label=${t('access.users')} id=${(u) => u.user} rows=${data.items}
    empty=${html`<${Empty} icon="user" title=${t('user.none')}>${t('user.none.text')}<//>`} columns=${[
      { name: 'user', label: t('login.user'), kind: 'main', cell: (u) => u.user },
      { name: 'type', label: t('type'), cell: (u) => html`<${Badge} kind=${u.type === 'Super' ? 'accent' : ''}>${t('user.' + u.type.toLowerCase())}<//>` },
      { name: 'status', label: t('state'), cell: (u) => html`<span class=${'health ' + (u.status === 'enable' ? 'ok' : '')}><i class="dot"></i>${t('user.' + u.status)}</span>` },
      { name: 'do', label: '', kind: 'actions', cell: (u) => html`<button type="button" class="small-button" onClick=${() => edit(u)}>${t('change')}</button><button type="button" class="small-button quiet-danger" onClick=${() => remove(u)}>${t('delete')}</button>` },
    ]} />`}<//><//><//>`;
}

const actions = ['All', 'Pub', 'Sub', 'Create', 'Update', 'Delete', 'Get', 'List'];

function Policies() {
  const { query } = useRoute();
  const live = useLive('/acls', { q: query.q });
  const edit = (subject, entry) => open(t(entry ? 'policy.change' : 'policy.create'), ({ close }) => html`<${Form} close=${close} action=${t(entry ? 'save' : 'create')} fields=${[
    { name: 'subject', label: t('policy.subject'), required: true, value: subject ?? 'User:', pattern: '.+:.+', disabled: Boolean(subject), autofocus: !subject, wide: true },
    { name: 'resource', label: t('policy.resource'), required: true, value: entry?.resource ?? 'Topic:', disabled: Boolean(entry), hint: t('policy.resource.hint'), wide: true, suggest: ['Topic:*', 'Group:*', 'Cluster:*', '*'] },
    { name: 'decision', label: t('policy.decision'), kind: 'select', value: entry?.decision ?? 'Allow', options: [['Allow', t('policy.allow')], ['Deny', t('policy.deny')]] },
    { name: 'actions', label: t('policy.actions'), required: true, value: entry?.actions.join(', ') ?? 'Pub, Sub', hint: actions.join(', ') },
    { name: 'sources', label: t('policy.sources'), value: entry?.sources?.join(', ') ?? '', about: '10.0.0.0/8', hint: t('policy.sources.hint'), wide: true },
  ]} act=${async (values) => {
    const list = (text) => (text ?? '').split(/[\s,]+/).filter(Boolean);
    const body = { subject: values.subject, type: 'Custom', entries: [{ resource: values.resource, actions: list(values.actions), sources: list(values.sources), decision: values.decision }] };
    if (subject) await send('PATCH', `/acls/${seg(subject)}`, body);
    else await post('/acls', body);
    notice(t('policy.saved'));
  }} />`).then((done) => done && live.reload());
  const remove = (row) => confirm({
    title: t('policy.delete'), text: t('policy.delete.text', { resource: row.resource }), name: row.subject, danger: true, action: t('delete'),
    act: async () => {
      await send('DELETE', `/acls/${seg(row.subject)}`, {}, { type: row.type, resource: row.resource });
      notice(t('done.deleted', { name: row.resource }));
      live.reload();
    },
  });
  const head = html`<${Search} label=${t('access.search')} /><button type="button" class="primary" onClick=${() => edit()}><${Icon} name="plus" />${t('policy.create')}</button>`;
  return html`<${Off} of=${live}><${Panel} title=${t('access.policies')} flush actions=${head}><${Loaded} of=${live}>${(data) => html`<${Table} label=${t('access.policies')} id=${(p) => p.subject + p.type + p.resource}
    rows=${data.items.flatMap((a) => a.policies.flatMap((p) => p.entries.map((e) => ({ subject: a.subject, type: p.type, ...e }))))}
    empty=${html`<${Empty} icon="access" title=${t('policy.none')}>${t('policy.none.text')}<//>`} columns=${[
      { name: 'subject', label: t('policy.subject'), kind: 'main', cell: (p) => p.subject },
      { name: 'resource', label: t('policy.resource'), cell: (p) => html`<code>${p.resource}</code>` },
      { name: 'decision', label: t('policy.decision'), cell: (p) => html`<${Badge} kind=${p.decision === 'Allow' ? 'ok' : 'bad'}>${t('policy.' + p.decision.toLowerCase())}<//>` },
      { name: 'actions', label: t('policy.actions'), cell: (p) => html`<span class="badges">${p.actions.map((a) => html`<${Badge} key=${a}>${a}<//>`)}</span>` },
      { name: 'sources', label: t('policy.sources'), cell: (p) => p.sources?.join(', ') || t('policy.anywhere') },
      { name: 'do', label: '', kind: 'actions', cell: (p) => html`<button type="button" class="small-button" onClick=${() => edit(p.subject, p)}>${t('change')}</button><button type="button" class="small-button quiet-danger" onClick=${() => remove(p)}>${t('delete')}</button>` },
    ]} />`}<//><//><//>`;
}
