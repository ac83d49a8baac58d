// Forms from a list of fields; the browser checks what is typed.
import { html, useState } from './dom.js';
import { t } from './i18n.js';
import { Fault } from './show.js';

// A field is {name, label, kind, value, hint, required, min, max, pattern,
// options, suggest, wide, when(values), about}. Kinds: text, number, check, select,
// area, time, pairs (lines of name=value), password.
export function Form({ fields, action, act, close, danger, children }) {
  const [values, setValues] = useState(() => Object.fromEntries(fields.map((f) => [f.name, f.value ?? (f.kind === 'check' ? false : '')])));
  const [state, setState] = useState({});
  const change = (name, value) => {
    setValues((all) => ({ ...all, [name]: value }));
    setState((s) => (s.error ? {} : s));
  };
  const submit = async (e) => {
    e.preventDefault();
    setState({ busy: true });
    try {
      close((await act(read(fields, values), values)) ?? true);
    } catch (error) {
      setState({ error });
    }
  };
  return html`<form onSubmit=${submit}>
    <div class="dialog-body fields">
      ${fields.filter((f) => !f.when || f.when(values)).map((f) => html`<${Field} key=${f.name} field=${f} value=${values[f.name]} change=${(v) => change(f.name, v)} />`)}
      ${children?.(values)}
      ${state.error && html`<${Fault} error=${state.error} />`}
    </div>
    <footer>
      <button type="button" onClick=${() => close(undefined)}>${t('cancel')}</button>
      <button class=${danger ? 'danger' : 'primary'} disabled=${state.busy}>${action}</button>
    </footer>
  </form>`;
}

export function Field({ field: f, value, change }) {
  const input = (e) => change(f.kind === 'check' ? e.target.checked : e.target.value);
  const shared = { name: f.name, required: f.required, disabled: f.disabled, autofocus: f.autofocus, 'aria-describedby': f.hint ? 'hint-' + f.name : undefined };
  const control = {
    check: () => html`<input type="checkbox" ...${shared} checked=${value} onChange=${input} />`,
    select: () => html`<select ...${shared} value=${value} onChange=${input}>${f.options.map(([v, text]) => html`<option key=${v} value=${v} selected=${v === value}>${text}</option>`)}</select>`,
    area: () => html`<textarea ...${shared} rows=${f.rows ?? 6} spellcheck="false" value=${value} placeholder=${f.about} onInput=${input}></textarea>`,
    pairs: () => html`<textarea ...${shared} rows="3" spellcheck="false" value=${value} placeholder=${f.about ?? 'name=value'} onInput=${input}></textarea>`,
  }[f.kind] ?? (() => html`<input type=${{ number: 'number', time: 'datetime-local', password: 'password' }[f.kind] ?? 'text'} ...${shared}
      value=${value} min=${f.min} max=${f.max} step=${f.kind === 'time' ? 1 : f.step} pattern=${f.pattern} maxlength=${f.max && f.kind !== 'number' ? f.max : undefined} title=${f.patternHint}
      placeholder=${f.about} autocomplete=${f.complete ?? 'off'} spellcheck="false" list=${f.suggest ? 'list-' + f.name : undefined} onInput=${input} />
      ${f.suggest && html`<datalist id=${'list-' + f.name}>${f.suggest.map((s) => html`<option key=${s} value=${s} />`)}</datalist>`}`);
  const hint = f.hint && html`<small id=${'hint-' + f.name}>${f.hint}</small>`;
  const size = f.wide || ['area', 'pairs'].includes(f.kind) ? ' wide' : '';
  if (f.kind === 'check') return html`<label class=${'field check' + size}>${control()}<span>${f.label}${hint}</span></label>`;
  return html`<label class=${'field' + size}><span>${f.label}</span>${control()}${hint}</label>`;
}

// read gives numbers, pairs and times as the API wants them; what is left empty
// is left out.
function read(fields, values) {
  const out = {};
  for (const f of fields) {
    if (f.when && !f.when(values)) continue;
    const value = values[f.name];
    if (f.kind === 'check') out[f.name] = value;
    else if (f.kind === 'pairs') {
      if (value.trim()) out[f.name] = pairs(value);
    } else if (value === '' && !f.keep) continue;
    else if (f.kind === 'number') out[f.name] = Number(value);
    else if (f.kind === 'time') out[f.name] = new Date(value).toISOString();
    else out[f.name] = value;
  }
  return out;
}

// pairs reads lines of name=value; a line without = is a name without a value.
export function pairs(text) {
  return Object.fromEntries(text.split('\n').map((line) => line.trim()).filter(Boolean).map((line) => {
    const [name, ...value] = line.split('=');
    return [name.trim(), value.join('=').trim()];
  }));
}

export const unpairs = (table) => Object.entries(table ?? {}).map(([k, v]) => `${k}=${v}`).join('\n');

// dropped are the names that a table of pairs had and has no more, each as null.
export const dropped = (before, after) => Object.fromEntries(Object.keys(before ?? {}).filter((k) => !(k in (after ?? {}))).map((k) => [k, null]));
