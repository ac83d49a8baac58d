// Sends dead letters again, as they are or edited, and purges them. What a
// filter chooses is counted before it may be done.
import { html, useEffect, useState } from './dom.js';
import { t } from './i18n.js';
import { get, post, seg } from './api.js';
import { Fault, Wait } from './show.js';
import { Field, Form, pairs, unpairs } from './form.js';
import { Progress } from './jobs.js';
import { notice, open } from './dialog.js';

// useJob follows a job until it ends.
function useJob(first) {
  const [job, set] = useState(first);
  useEffect(() => {
    set(first);
    if (!first) return undefined;
    let timer;
    const look = async () => {
      const now = await get(`/jobs/${seg(first.id)}`).catch(() => null);
      if (now) set(now);
      if (now?.state === 'running' || !now) timer = setTimeout(look, 500);
    };
    timer = setTimeout(look, 150);
    return () => clearTimeout(timer);
  }, [first?.id]);
  return job;
}

export function redrive(group, filter) {
  return open(t('redrive.title', { group }), function Redrive({ close }) {
    const [values, setValues] = useState({ where: '', to: '', rate: 50, limit: '' });
    const [first, setFirst] = useState(null);
    const [state, setState] = useState({});
    const job = useJob(first);
    const dry = job?.dry_run && job.state === 'done';
    const change = (name) => (value) => {
      setValues((v) => ({ ...v, [name]: value }));
      setFirst(null);
    };
    const submit = async (e) => {
      e.preventDefault();
      setState({ busy: true });
      try {
        setFirst(await post(`/dead-letters/${seg(group)}/redrive`, { filter, to: values.where === 'topic' ? values.to : values.where, rate: Number(values.rate), limit: Number(values.limit || 0), dry_run: !dry }));
        setState({});
      } catch (error) {
        setState({ error });
      }
    };
    const running = job?.state === 'running';
    const sent = job && !job.dry_run;
    const fields = [
      { name: 'where', label: t('redrive.to'), kind: 'select', options: [['', t('redrive.retry')], ['origin', t('redrive.origin')], ['topic', t('redrive.topic')]] },
      values.where === 'topic' && { name: 'to', label: t('topic'), required: true },
      { name: 'rate', label: t('redrive.rate'), kind: 'number', min: 1, max: 100000, required: true },
      { name: 'limit', label: t('redrive.limit'), kind: 'number', min: 1, hint: t('redrive.limit.hint') },
    ].filter(Boolean);
    return html`<form onSubmit=${submit}><div class="dialog-body fields">
        ${!sent && fields.map((f) => html`<${Field} key=${f.name} field=${f} value=${values[f.name]} change=${change(f.name)} />`)}
        <p class="wide muted">${Object.keys(filter).filter((k) => filter[k]).length ? t('redrive.filtered') : t('redrive.all')}</p>
        ${job && html`<div class="wide" role="status"><${Progress} job=${job} /></div>`}
        ${state.error && html`<${Fault} error=${state.error} />`}
      </div><footer>
        <button type="button" onClick=${() => close(sent)}>${t(sent ? 'close' : 'cancel')}</button>
        ${!sent && html`<button class="primary" disabled=${state.busy || running || (dry && !job.found)}>${dry ? t('redrive.do', { n: job.found }) : t('dryrun.do')}</button>`}
      </footer></form>`;
  });
}

export function purge(group, filter) {
  return open(t('purge.title', { group }), function Purge({ close }) {
    const [typed, setTyped] = useState('');
    const [first, setFirst] = useState(null);
    const [error, setError] = useState(null);
    const [count, setCount] = useState(null);
    const job = useJob(first);
    const counted = useJob(count);
    const whole = !Object.keys(filter).length;
    useEffect(() => {
      post(`/dead-letters/${seg(group)}/redrive`, { filter, to: '', rate: 0, limit: 0, dry_run: true }).then(setCount, setError);
    }, []);
    const submit = async (e) => {
      e.preventDefault();
      try {
        setFirst(await post(`/dead-letters/${seg(group)}/purge`, { filter, limit: 0, ...(whole && { all: true }) }));
      } catch (failure) {
        setError(failure);
      }
    };
    return html`<form onSubmit=${submit}><div class="dialog-body">
        <p>${t(whole ? 'purge.text.all' : 'purge.text.filter')}</p>
        ${!job && (counted ? html`<div role="status"><${Progress} job=${counted} /></div>` : !error && html`<${Wait} />`)}
        ${job ? html`<div role="status"><${Progress} job=${job} /></div>` : html`<label class="field"><span>${t('confirm.type', { name: group })}</span><input name="typed" autofocus autocomplete="off" spellcheck="false" value=${typed} onInput=${(e) => setTyped(e.target.value)} /></label>`}
        ${error && html`<${Fault} error=${error} />`}
      </div><footer>
        <button type="button" onClick=${() => close(Boolean(job))}>${t(job ? 'close' : 'cancel')}</button>
        ${!job && html`<button class="danger" disabled=${typed !== group}>${t('purge.do')}</button>`}
      </footer></form>`;
  });
}

// editLetter sends one letter with another body or properties.
export function editLetter(group, { letter, message }) {
  const { body } = message;
  const text = body.kind === 'binary' || body.truncated ? null : body.text;
  const own = Object.fromEntries(Object.entries(message.properties).filter(([k]) => !/^[A-Z_%0-9]+$/.test(k)));
  const fields = [
    text !== null && { name: 'body', label: t('message.body'), kind: 'area', rows: 12, value: text ?? '', keep: true, autofocus: true },
    { name: 'tag', label: t('tag'), value: letter.tag ?? '', keep: true },
    { name: 'keys', label: t('message.keys'), value: letter.keys.join(' '), keep: true, hint: t('message.key.hint') },
    { name: 'properties', label: t('message.properties'), kind: 'pairs', value: unpairs(own), hint: t('pairs.hint') },
    { name: 'to', label: t('redrive.to'), kind: 'select', value: '', keep: true, options: [['', t('redrive.retry')], ['origin', t('redrive.origin')]] },
  ].filter(Boolean);
  return open(t('letter.edit'), ({ close }) => html`<${Form} fields=${fields} close=${close} action=${t('letter.send')} act=${async (values, typed) => {
    const properties = { ...Object.fromEntries(Object.keys(own).map((k) => [k, null])), ...pairs(typed.properties) };
    const edit = { tag: values.tag, keys: values.keys.split(/\s+/).filter(Boolean), properties };
    if (text !== null && values.body !== text) edit.body = values.body;
    await post(`/dead-letters/${seg(group)}/redrive`, { filter: { id: letter.id, handled: letter.state === 'sent' }, to: values.to, limit: 1, dry_run: false, edit });
    notice(t('redrive.started'));
  }} />`, { wide: true });
}
