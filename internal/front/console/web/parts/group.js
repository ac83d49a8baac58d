// The form of a consumer group, and what its retry policy means.
import { html } from './dom.js';
import { t } from './i18n.js';
import { post, seg, send } from './api.js';
import { place } from './place.js';
import { Form, dropped, unpairs } from './form.js';
import { notice, open } from './dialog.js';
import { span } from './format.js';

const fresh = { enabled: true, broadcast: true, ordered: false, from_min: true, notify_members: true, retry_max: 16, retry_queues: 1, consume_timeout_minutes: 15, broker_id: 0, slow_broker_id: 1 };

// retries says when a message that failed comes again.
export function retries({ type, exponentialRetryPolicy: e, customizedRetryPolicy: c }) {
  if (type === 'EXPONENTIAL' && e) return t('group.retry.exponential', { first: span(e.initial), times: e.multiplier, most: span(e.max) });
  if (type === 'CUSTOMIZED' && c) return t('group.retry.customized', { all: c.next.map(span).join(', ') });
  return t(type === 'EXPONENTIAL' ? 'rest.exponential.usual' : 'rest.usual');
}

// kindOf is what a form shows of a policy; "" is the broker's usual one.
const kindOf = (policy) => (policy?.exponentialRetryPolicy ? 'EXPONENTIAL' : policy?.customizedRetryPolicy ? 'CUSTOMIZED' : policy?.type === 'EXPONENTIAL' ? 'USUAL' : '');

function policyFields(policy) {
  const { exponentialRetryPolicy: e, customizedRetryPolicy: c } = policy ?? {};
  const growing = (v) => v.policy === 'EXPONENTIAL';
  return [
    { name: 'policy', label: t('group.retrypolicy'), kind: 'select', value: kindOf(policy), wide: true, hint: t('rest.hint'),
      options: [['', t('rest.usual')], ['CUSTOMIZED', t('rest.customized')], ['EXPONENTIAL', t('rest.exponential')], ['USUAL', t('rest.exponential.usual')]] },
    { name: 'rests', label: t('rest.rests'), value: (c?.next ?? [10000, 30000, 60000]).map((ms) => ms / 1000).join(' '), required: true, pattern: '\\s*\\d+(\\.\\d+)?([ ,]+\\d+(\\.\\d+)?)*\\s*', patternHint: t('rest.rests.hint'), hint: t('rest.rests.hint'), wide: true, when: (v) => v.policy === 'CUSTOMIZED' },
    { name: 'first', label: t('rest.first'), kind: 'number', min: 0.001, step: 'any', required: true, value: (e?.initial ?? 5000) / 1000, when: growing },
    { name: 'times', label: t('rest.times'), kind: 'number', min: 1, max: 100, required: true, value: e?.multiplier ?? 2, when: growing },
    { name: 'most', label: t('rest.most'), kind: 'number', min: 0.001, step: 'any', required: true, value: (e?.max ?? 7200000) / 1000, when: growing },
  ];
}

const ms = (seconds) => Math.round(Number(seconds) * 1000);

// policyOf is what the fields of a policy say, as the API wants it.
function policyOf({ policy, rests, first, times, most }) {
  if (policy === 'EXPONENTIAL') return { type: policy, exponentialRetryPolicy: { initial: ms(first), multiplier: Number(times), max: ms(most) } };
  if (policy === 'CUSTOMIZED') return { type: policy, customizedRetryPolicy: { next: rests.trim().split(/[ ,]+/).map(ms) } };
  return { type: policy === 'USUAL' ? 'EXPONENTIAL' : 'CUSTOMIZED' };
}

// edit makes a group, or changes one; it resolves with its name.
export async function edit(group) {
  const now = group?.placed[0]?.config ?? fresh;
  const check = (name, label, hint) => ({ name, label: t(label), kind: 'check', value: now[name], hint: hint && t(hint) });
  const number = (name, label, min, max, hint) => ({ name, label: t(label), kind: 'number', min, max, required: true, value: now[name], hint: hint && t(hint) });
  const fields = [
    !group && { name: 'group', label: t('name'), required: true, pattern: '[%\\|a-zA-Z0-9_\\-]+', patternHint: t('name.hint'), max: 120, hint: t('name.hint'), autofocus: true, wide: true },
    !group && await place(),
    number('retry_max', 'group.retrymax', -1, 10000, 'group.retrymax.hint'),
    number('consume_timeout_minutes', 'group.timeout', 1, 1440),
    number('retry_queues', 'group.retryqueues', 0, 1024),
    ...policyFields(now.retry_policy),
    check('enabled', 'group.enabled', 'group.enabled.hint'), check('broadcast', 'group.broadcast'),
    check('ordered', 'group.ordered', 'group.ordered.hint'), check('from_min', 'group.frommin', 'group.frommin.hint'),
    check('notify_members', 'group.notify', 'group.notify.hint'),
    number('broker_id', 'group.brokerid', 0, undefined, 'group.brokerid.hint'),
    number('slow_broker_id', 'group.slowbroker', 0, undefined, 'group.slowbroker.hint'),
    { name: 'attributes', label: t('attributes'), kind: 'pairs', value: unpairs(now.attributes), about: 'lite.bind.topic=orders', hint: t('attributes.hint') },
  ].filter(Boolean);
  return open(group ? t('change.title', { name: group.group }) : t('group.create'), ({ close }) => html`<${Form} fields=${fields} close=${close} action=${t(group ? 'save' : 'create')} act=${async ({ policy, rests, first, times, most, ...values }, raw) => {
    const body = { ...values, retry_policy: policyOf(raw) };
    if (group) await send('PATCH', `/groups/${seg(group.group)}`, { ...body, attributes: { ...values.attributes, ...dropped(now.attributes, values.attributes) } });
    else await post('/groups', body);
    notice(t(group ? 'done.changed' : 'done.created', { name: group?.group ?? values.group }));
    return group?.group ?? values.group;
  }} />`);
}

// forbid asks which topic a group may not read any more.
export function forbid(group) {
  const fields = [{ name: 'topic', label: t('topic'), required: true, autofocus: true, wide: true, hint: t('forbid.hint') }];
  return open(t('forbid.title', { group }), ({ close }) => html`<${Form} fields=${fields} close=${close} danger action=${t('forbid.do')} act=${({ topic }) => setForbidden(group, topic, true)} />`);
}

// setForbidden forbids a group a topic, or allows it again.
export async function setForbidden(group, topic, forbidden) {
  await post(`/groups/${seg(group)}/forbid`, { topic, forbidden });
  notice(t(forbidden ? 'forbid.done' : 'forbid.undone', { group, topic }));
  return topic;
}
