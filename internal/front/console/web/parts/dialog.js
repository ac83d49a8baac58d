// Dialogs and notices. A page opens one with a component that gets close();
// the browser's <dialog> keeps the focus inside and closes on Esc.
import { html, useEffect, useRef, useState } from './dom.js';
import { t } from './i18n.js';
import { Icon, Fault } from './show.js';

let show = () => {};
let next = 0;

// open shows a dialog and resolves with what its content passed to close.
export function open(title, content, options = {}) {
  const opener = document.activeElement;
  return new Promise((resolve) => {
    const id = ++next;
    show((all) => [...all, { id, title, content, options, done: (value) => {
      show((rest) => rest.filter((d) => d.id !== id));
      if (opener?.isConnected) opener.focus();
      resolve(value);
    } }]);
  });
}

// Dialogs is where open dialogs are drawn; once, at the root.
export function Dialogs() {
  const [all, set] = useState([]);
  show = set;
  return all.map((d) => html`<${Modal} key=${d.id} ...${d} />`);
}

function Modal({ title, content: Content, options, done }) {
  const box = useRef();
  const heading = `dialog-${title.length}-${next}`;
  useEffect(() => {
    box.current.showModal();
  }, []);
  return html`<dialog ref=${box} class=${options.wide ? 'wide' : ''} aria-labelledby=${heading}
    onClose=${() => done(undefined)}
    onMouseDown=${(e) => { if (e.target === box.current && !options.keep) done(undefined); }}>
    <header>
      <h2 id=${heading}>${title}</h2>
      <button type="button" class="icon" aria-label=${t('close')} onClick=${() => done(undefined)}><${Icon} name="close" /></button>
    </header>
    <${Content} close=${done} />
  </dialog>`;
}

// confirm asks before something is done. With name, its text must be typed;
// act does it, and what it throws is shown in the dialog.
export function confirm({ title, text, name, action, danger, act, details }) {
  return open(title, function Confirm({ close }) {
    const [typed, setTyped] = useState('');
    const [state, setState] = useState({});
    const submit = async (e) => {
      e.preventDefault();
      setState({ busy: true });
      try {
        close((await act?.()) ?? true);
      } catch (error) {
        setState({ error });
      }
    };
    return html`<form onSubmit=${submit}>
      <div class="dialog-body">
        ${text && html`<p>${text}</p>`}
        ${details}
        ${name && html`<label class="field"><span>${t('confirm.type', { name })}</span>
          <input autofocus autocomplete="off" spellcheck="false" name="typed" value=${typed} onInput=${(e) => setTyped(e.target.value)} /></label>`}
        ${state.error && html`<${Fault} error=${state.error} />`}
      </div>
      <footer>
        <button type="button" onClick=${() => close(undefined)}>${t('cancel')}</button>
        <button class=${danger ? 'danger' : 'primary'} autofocus=${!name} disabled=${state.busy || (name && typed !== name)}>${action}</button>
      </footer>
    </form>`;
  });
}

let announce = () => {};

// notice says for some seconds that something was done.
export function notice(text, kind = 'ok') {
  announce((all) => [...all.slice(-3), { id: ++next, text, kind }]);
}

export function Notices() {
  const [all, set] = useState([]);
  announce = set;
  useEffect(() => {
    if (!all.length) return undefined;
    const timer = setTimeout(() => set((rest) => rest.slice(1)), 5000);
    return () => clearTimeout(timer);
  }, [all]);
  return html`<div class="notices" role="status" aria-live="polite">
    ${all.map((n) => html`<div key=${n.id} class=${'notice ' + n.kind}><${Icon} name=${n.kind === 'ok' ? 'check' : 'error'} /><span>${n.text}</span></div>`)}
  </div>`;
}
