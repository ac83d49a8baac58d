// Why a user may or may not do something: every policy that speaks of the
// resource is listed, and the server's decision where it offers one.
import { html, useState } from './dom.js';
import { t } from './i18n.js';
import { get } from './api.js';
import { Badge, Fault, Panel } from './show.js';
import { Field } from './form.js';

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
    ${state.answer && html`<div class="note" role="status"><${Badge} kind=${state.answer.decision === 'Allow' ? 'ok' : 'bad'}>${t('policy.' + state.answer.decision.toLowerCase())}<//><span>${state.answer.reason}</span></div>`}
  </div><//>`;
}
