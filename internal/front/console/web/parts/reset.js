// Moves a group's offsets: what would happen is shown before it may be done.
import { html, useEffect, useState } from './dom.js';
import { t } from './i18n.js';
import { post, seg } from './api.js';
import { Fault } from './show.js';
import { Field } from './form.js';
import { Table } from './table.js';
import { notice, open } from './dialog.js';
import { forInput, number } from './format.js';

export function reset(group, topics, topic) {
  return open(t('reset.title', { group }), function Reset({ close }) {
    const [values, setValues] = useState({ topic: topic ?? topics[0] ?? '', to: 'time', time: forInput(Date.now() - 3600e3), offset: '', place: '', keep_ahead: false });
    const [plan, setPlan] = useState(null);
    const [state, setState] = useState({});
    const change = (name) => (value) => {
      setValues((v) => ({ ...v, [name]: value }));
      setPlan(null);
      setState({});
    };
    const asked = (dry) => {
      const cut = values.place.lastIndexOf(':');
      return {
        topic: values.topic, to: values.to, keep_ahead: values.keep_ahead, dry_run: dry,
        ...(values.to === 'time' && { time: new Date(values.time).toISOString() }),
        ...(values.to === 'offset' && { offset: Number(values.offset), broker: values.place.slice(0, cut), queue: Number(values.place.slice(cut + 1)) }),
      };
    };
    const submit = async (e) => {
      e.preventDefault();
      setState({ busy: true });
      try {
        const answer = await post(`/groups/${seg(group)}/reset`, asked(!plan));
        setState({});
        if (!plan) return setPlan(answer);
        notice(t('reset.done', { group }));
        return close(true);
      } catch (error) {
        return setState({ error });
      }
    };
    const fields = [
      { name: 'topic', label: t('topic'), required: true, suggest: topics, wide: true },
      { name: 'to', label: t('reset.to'), kind: 'select', options: ['time', 'earliest', 'latest', 'offset'].map((x) => [x, t('reset.to.' + x)]) },
      values.to === 'time' && { name: 'time', label: t('reset.time'), kind: 'time', required: true },
      values.to === 'offset' && { name: 'offset', label: t('reset.offset'), kind: 'number', min: 0, required: true },
      values.to === 'offset' && { name: 'place', label: t('reset.place'), required: true, pattern: '.+:\\d+', about: 'broker-a:0', hint: t('reset.place.hint') },
      values.to === 'time' && { name: 'keep_ahead', label: t('reset.keep'), kind: 'check', hint: t('reset.keep.hint') },
    ].filter(Boolean);
    return html`<form onSubmit=${submit}>
      <div class="dialog-body fields">
        ${fields.map((f) => html`<${Field} key=${f.name} field=${f} value=${values[f.name]} change=${change(f.name)} />`)}
        ${plan && html`<${Plan} plan=${plan} />`}
        ${state.error && html`<${Fault} error=${state.error} />`}
      </div>
      <footer>
        <button type="button" onClick=${() => close(undefined)}>${t('cancel')}</button>
        <button class=${plan ? 'danger' : 'primary'} disabled=${state.busy || (plan && !plan.items.some((q) => q.change))}>${t(plan ? 'reset.do' : 'reset.preview')}</button>
      </footer>
    </form>`;
  }, { wide: true });
}

function Plan({ plan }) {
  useEffect(() => {
    document.querySelector('dialog[open] .plan')?.scrollIntoView({ block: 'nearest' });
  }, []);
  return html`<div class="panel plan wide" role="status"><header><h2>${t('reset.plan')}</h2><span class="muted">${t('reset.again', { n: plan.again })} · ${t('reset.skipped', { n: plan.skipped })}</span></header>
    <${Table} label=${t('reset.plan')} id=${(q) => q.broker + q.queue} rows=${plan.items} columns=${[
      { name: 'queue', label: t('queue'), kind: 'main', cell: (q) => `${q.broker} · ${q.queue}` },
      { name: 'from', label: t('reset.from'), kind: 'number', cell: (q) => (q.from < 0 ? t('reset.none') : number(q.from)) },
      { name: 'to', label: t('reset.new'), kind: 'number', cell: (q) => number(q.to) },
      { name: 'change', label: t('reset.change'), kind: 'number', cell: (q) => html`<span class=${q.change < 0 ? 'changed' : ''}>${q.change > 0 ? '+' : ''}${number(q.change)}</span>` },
    ]} /></div>`;
}
