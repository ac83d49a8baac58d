// Whether a user may do something, and which policy decides, as the brokers say.
import { html, useState } from './dom.js';
import { t } from './i18n.js';
import { get } from './api.js';
import { Badge, Fault, Panel } from './show.js';
import { Field } from './form.js';
import { Table } from './table.js';

export function Explain() {
  const [values, setValues] = useState({ user: '', resource: 'Topic:', action: 'Pub', source: '' });
  const [state, set] = useState({});
  const fields = [
    { name: 'user', label: t('login.user'), required: true }, { name: 'resource', label: t('policy.resource'), required: true, pattern: '.+:.+', suggest: ['Topic:', 'Group:', 'Cluster:'] },
    { name: 'action', label: t('policy.actions'), kind: 'select', options: ['Pub', 'Sub', 'Create', 'Update', 'Delete', 'Get', 'List'].map((a) => [a, a]) },
    { name: 'source', label: t('policy.sources'), about: '10.0.0.7' },
  ];
  const submit = async (e) => {
    e.preventDefault();
    try {
      set({ answer: await get('/acls/explain', values) });
    } catch (error) {
      set({ error });
    }
  };
  return html`<${Panel} title=${t('access.explain')}><div class="stack"><p class="muted">${t('explain.text')}</p>
    <form class="filters plain" onSubmit=${submit}>${fields.map((f) => html`<${Field} key=${f.name} field=${f} value=${values[f.name]} change=${(v) => setValues((all) => ({ ...all, [f.name]: v }))} />`)}
      <div class="actions"><button class="primary">${t('explain.do')}</button></div></form>
    ${state.error && html`<${Fault} error=${state.error} />`}
    ${state.answer && html`<div role="status"><${Table} label=${t('access.explain')} id=${(x) => x.broker} rows=${state.answer.items} columns=${[
      { name: 'decision', label: t('policy.decision'), kind: 'main', cell: (x) => html`<${Badge} kind=${x.decision === 'Allow' ? 'ok' : 'bad'}>${t('policy.' + x.decision.toLowerCase())}<//> ${x.enforced === false && html`<${Badge} kind="warn">${t('explain.unenforced')}<//>`}` },
      { name: 'reason', label: t('message.why'), cell: (x) => x.reason },
      { name: 'entries', label: t('access.policies'), cell: (x) => (x.entries ?? []).map((e, i) => html`<div key=${i}><code>${e.resource}</code> <small>${e.actions.join(', ')} ${e.sources?.join(', ')}</small></div>`) },
      { name: 'broker', label: t('broker'), cell: (x) => x.broker },
    ]} /></div>`}
  </div><//>`;
}
