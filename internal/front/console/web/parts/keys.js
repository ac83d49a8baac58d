// Keys for the whole console: "/" to the search, "g" and a letter to a page,
// Ctrl+K to a topic or group by its name, "?" for this list.
import { html, useEffect, useState } from './dom.js';
import { t } from './i18n.js';
import { get } from './api.js';
import { go, link } from './router.js';
import { open } from './dialog.js';
import { Icon } from './show.js';

// keys listens until the returned function is called.
export function keys(pages) {
  let leader = 0;
  const press = (e) => {
    if ((e.ctrlKey || e.metaKey) && e.key === 'k') {
      e.preventDefault();
      if (!document.querySelector('dialog[open]')) jump();
      return;
    }
    if (e.altKey || e.ctrlKey || e.metaKey || e.target.closest('input, select, textarea, dialog')) {
      if (e.key === 'Escape' && e.target.matches('[data-search]')) e.target.blur();
      return;
    }
    const follows = Date.now() - leader < 1500;
    leader = 0;
    if (follows) {
      const page = pages.find((p) => p.key === e.key);
      if (page) {
        e.preventDefault();
        go(link(page.id === 'overview' ? [] : [page.id]));
      }
    } else if (e.key === 'g') leader = Date.now();
    else if (e.key === '/') {
      e.preventDefault();
      const field = document.querySelector('main [data-search]');
      if (field) field.select();
      else jump();
    } else if (e.key === '?') list(pages);
  };
  const shown = () => list(pages);
  document.addEventListener('keydown', press);
  addEventListener('goddard-keys', shown);
  return () => {
    document.removeEventListener('keydown', press);
    removeEventListener('goddard-keys', shown);
  };
}

function list(pages) {
  const rows = [
    [['/'], t('keys.search')], [['Ctrl', 'K'], t('keys.jump')], [['↑', '↓'], t('keys.rows')], [['Enter'], t('keys.open')], [['Esc'], t('keys.close')], [['?'], t('keys.list')],
    ...pages.filter((p) => p.key).map((p) => [['g', p.key], t('nav.' + p.id)]),
  ];
  open(t('keys'), () => html`<div class="dialog-body"><dl class="keys-list">${rows.map(([press, what]) => html`<div key=${what}><dt>${press.map((k) => html`<kbd key=${k}>${k}</kbd>`)}</dt><dd>${what}</dd></div>`)}</dl></div>`);
}

// jump finds topics and groups by a part of their names.
function jump() {
  open(t('jump'), function Jump({ close }) {
    const [text, setText] = useState('');
    const [found, setFound] = useState([]);
    useEffect(() => {
      if (!text) {
        setFound([]);
        return undefined;
      }
      const stop = new AbortController();
      const timer = setTimeout(async () => {
        try {
          const [topics, groups] = await Promise.all([get('/topics', { q: text, limit: 8, kind: 'all' }, stop.signal), get('/groups', { q: text, limit: 8, kind: 'all' }, stop.signal)]);
          setFound([...topics.items.map((x) => ['topics', x.name]), ...groups.items.map((x) => ['groups', x.group])]);
        } catch { /* the next letter asks again */ }
      }, 120);
      return () => {
        clearTimeout(timer);
        stop.abort();
      };
    }, [text]);
    const to = ([kind, name]) => {
      close();
      go(link([kind, name]));
    };
    const walk = (e) => {
      const by = { ArrowDown: 1, ArrowUp: -1 }[e.key];
      if (!by) return;
      e.preventDefault();
      const stops = [...e.currentTarget.querySelectorAll('input, li button')];
      stops[(stops.indexOf(document.activeElement) + by + stops.length) % stops.length].focus();
    };
    return html`<form class="jump" onKeyDown=${walk} onSubmit=${(e) => { e.preventDefault(); if (found.length) to(found[0]); }}>
      <label class="search"><${Icon} name="search" /><span class="hidden">${t('jump')}</span>
        <input type="search" autofocus value=${text} placeholder=${t('jump.hint')} autocomplete="off" spellcheck="false" onInput=${(e) => setText(e.target.value)} /></label>
      <ul>${found.map((f) => html`<li key=${f.join('/')}><button type="button" onClick=${() => to(f)}><${Icon} name=${f[0]} /><span>${f[1]}</span><small>${t('nav.' + f[0])}</small></button></li>`)}</ul>
      ${text && !found.length && html`<p class="none">${t('jump.none')}</p>`}
    </form>`;
  });
}
