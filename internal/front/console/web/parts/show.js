// Small things that every page shows.
import { html, useEffect, useRef, useState } from './dom.js';
import { t } from './i18n.js';
import { here, ask, useRoute } from './router.js';
import { ago, instant } from './format.js';

export const Icon = ({ name }) => html`<svg class="glyph" aria-hidden="true"><use href=${'vendor/icons.svg#' + name} /></svg>`;

// Fault says what failed and what to do about it.
export function Fault({ error, again }) {
  return html`<div class="fault" role="alert">
    <${Icon} name="error" />
    <div><p>${error.message}</p>${error.fix && html`<p class="fix">${error.fix}</p>`}</div>
    ${again && html`<button type="button" onClick=${again}>${t('again')}</button>`}
  </div>`;
}

// Empty says that there is nothing, and what to do next.
export const Empty = ({ title, children, icon = 'empty' }) => html`<div class="empty"><${Icon} name=${icon} /><p class="strong">${title}</p><div>${children}</div></div>`;

// Badge is a word in a colour; kinds are ok, warn, bad, accent or none.
export const Badge = ({ kind = '', children, title }) => html`<span class=${'badge ' + kind} title=${title}>${children}</span>`;

// Ago shows how long ago, and when exactly to who points at it; When the other
// way round.
export const Ago = ({ at }) => html`<time title=${instant(at, true)}>${ago(at)}</time>`;
export const When = ({ at, precise }) => html`<time title=${ago(at)}>${instant(at, precise)}</time>`;

// Page is a page's heading with its actions, and its content.
export function Page({ title, trail, about, actions, children }) {
  useEffect(() => {
    document.title = `${title} · Goddard`;
  }, [title]);
  return html`<div class="page">
    <header class="page-head">
      <div class="page-title">
        ${trail && html`<nav aria-label=${t('trail')} class="trail"><a href=${trail.href}>${trail.text}</a><${Icon} name="right" /></nav>`}
        <h1 tabindex="-1">${title}</h1>
        ${about && html`<div class="about">${about}</div>`}
      </div>
      ${actions && html`<div class="actions">${actions}</div>`}
    </header>
    ${children}
  </div>`;
}

// Panel is a titled part of a page.
export const Panel = ({ title, actions, children, flush, id }) => html`<section class=${'panel' + (flush ? ' flush' : '')} aria-label=${title} id=${id}>
  ${(title || actions) && html`<header><h2>${title}</h2>${actions && html`<div class="actions">${actions}</div>`}</header>`}
  <div class="panel-body">${children}</div>
</section>`;

// Tabs are links, so that each has an address.
export function Tabs({ all, label }) {
  const { query } = useRoute();
  const now = query.tab ?? all[0].id;
  const choose = (e, id) => {
    if (e.metaKey || e.ctrlKey) return;
    e.preventDefault();
    ask({ tab: id === all[0].id ? undefined : id, page: undefined, q: undefined, sort: undefined }, true);
  };
  const step = (e) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
    if (!by) return;
    const tabs = [...e.currentTarget.querySelectorAll('a')];
    tabs[(tabs.indexOf(document.activeElement) + by + tabs.length) % tabs.length].focus();
  };
  return html`<nav class="tabs" aria-label=${label} onKeyDown=${step}>
    ${all.map((tab) => html`<a key=${tab.id} href=${location.hash.split('?')[0] + '?tab=' + tab.id} aria-current=${tab.id === now ? 'page' : undefined}
      onClick=${(e) => choose(e, tab.id)}>${tab.label}${tab.count !== undefined && html`<span class="count">${tab.count}</span>`}</a>`)}
  </nav>`;
}

// Facts is a list of names and values.
export const Facts = ({ rows }) => html`<dl class="facts">
  ${rows.filter((r) => r && r[1] !== undefined).map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}
</dl>`;

// Meter is a share of something, with its words beside.
export function Meter({ value, label, warn = 0.75, bad = 0.9 }) {
  const kind = value >= bad ? 'bad' : value >= warn ? 'warn' : 'ok';
  return html`<span class="meter"><meter class=${kind} min="0" max="1" value=${value} aria-label=${label}></meter></span>`;
}

// Copy is a text that a click copies.
export function Copy({ text, children }) {
  const [done, setDone] = useState(false);
  const timer = useRef();
  const copy = async () => {
    await navigator.clipboard?.writeText(text);
    setDone(true);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setDone(false), 1500);
  };
  return html`<span class="copy"><code>${children ?? text}</code><button type="button" class="icon small" aria-label=${t(done ? 'copied' : 'copy', { text })} onClick=${copy}>
    <${Icon} name=${done ? 'check' : 'copy'} /></button></span>`;
}

// Search is a field whose text is in the address; "/" goes to it.
export function Search({ label, name = 'q' }) {
  const { query } = useRoute();
  const timer = useRef();
  const type = (e) => {
    const { value } = e.target;
    clearTimeout(timer.current);
    timer.current = setTimeout(() => ask({ [name]: value, page: undefined }), 200);
  };
  const key = (e) => {
    if (e.key === 'ArrowDown') document.querySelector('main tbody a')?.focus();
  };
  useEffect(() => () => clearTimeout(timer.current), []);
  return html`<label class="search"><${Icon} name="search" /><span class="hidden">${label}</span>
    <input type="search" data-search placeholder=${label} value=${here().query[name] ?? ''} key=${name} spellcheck="false" autocomplete="off" onInput=${type} onKeyDown=${key} /><kbd aria-hidden="true">/</kbd></label>`;
}

// Choice is a select whose value is in the address.
export function Choice({ label, name, options }) {
  const { query } = useRoute();
  return html`<label class="choice"><span class="hidden">${label}</span>
    <select value=${query[name] ?? ''} onChange=${(e) => ask({ [name]: e.target.value, page: undefined })}>
      ${options.map(([value, text]) => html`<option key=${value} value=${value} selected=${value === (query[name] ?? '')}>${text}</option>`)}
    </select></label>`;
}

// Wait stands for what is not there yet; the first frame stays quiet.
export const Wait = () => html`<div class="wait" role="status" aria-label=${t('loading')}><span></span><span></span><span></span></div>`;
