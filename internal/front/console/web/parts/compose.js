// The form to send a test message to a topic.
import { html } from './dom.js';
import { t } from './i18n.js';
import { post, seg } from './api.js';
import { Form } from './form.js';
import { notice, open } from './dialog.js';

// compose resolves with what was sent.
export function compose(topic, type) {
  const fields = [
    { name: 'body', label: t('message.body'), kind: 'area', autofocus: true, rows: 7, keep: true, about: '{"hello": "world"}' },
    { name: 'tag', label: t('tag'), max: 128 },
    { name: 'key', label: t('message.key'), hint: t('message.key.hint') },
    { name: 'properties', label: t('message.properties'), kind: 'pairs', hint: t('pairs.hint') },
    type === 'FIFO' && { name: 'message_group', label: t('send.group'), required: true, hint: t('send.group.hint') },
    ['DELAY', 'MIXED', 'UNSPECIFIED', undefined].includes(type) && { name: 'delay', label: t('send.delay'), kind: 'number', min: 0, step: 'any', required: type === 'DELAY', hint: t('send.delay.hint') },
    type === 'PRIORITY' && { name: 'priority', label: t('send.priority'), kind: 'number', min: 0, max: 255, required: true },
    { name: 'count', label: t('send.count'), kind: 'number', min: 1, max: 100, value: 1 },
  ].filter(Boolean);
  return open(t('send.title', { topic }), ({ close }) => html`<${Form} fields=${fields} close=${close} action=${t('send.do')} act=${async ({ key, delay, ...values }) => {
    const { items } = await post(`/topics/${seg(topic)}/messages`, { ...values, keys: key?.split(/\s+/).filter(Boolean), delay_ms: delay ? Math.round(delay * 1000) : undefined });
    notice(t('send.sent', { n: items.length, id: items[0]?.unique_id || items[0]?.id }));
    return items;
  }} />`, { wide: true });
}
