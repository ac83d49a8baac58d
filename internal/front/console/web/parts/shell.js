// What is around every page: navigation, the chosen cluster, the reader's
// preferences, keys.
import { html, useEffect, useRef, useState } from './dom.js';
import { language, languages, t } from './i18n.js';
import * as api from './api.js';
import { ask, here, link, useRoute } from './router.js';
import { Empty, Fault, Icon, Page, Wait } from './show.js';
import { keys } from './keys.js';
import { recall, remember } from './store.js';

// pages are the sections in the order of the navigation, each with the key
// that goes there after "g" and what draws it.
export const sections = [
  ['', [{ id: 'overview', key: 'o', load: () => import('../pages/overview.js') }]],
  ['nav.data', [
    { id: 'topics', key: 't', load: () => import('../pages/topics.js'), one: () => import('../pages/topic.js') },
    { id: 'groups', key: 'g', load: () => import('../pages/groups.js'), one: () => import('../pages/group.js') },
    { id: 'messages', key: 'm', load: () => import('../pages/messages.js'), one: () => import('../pages/message.js') },
  ]],
  ['nav.waiting', [
    { id: 'deadletters', key: 'd', load: () => import('../pages/deadletters.js'), one: () => import('../pages/deadletter.js') },
    { id: 'delayed', key: 'e', load: () => import('../pages/delayed.js') },
    { id: 'transactions', key: 'h', load: () => import('../pages/transactions.js') },
  ]],
  ['nav.operate', [
    { id: 'connections', key: 'c', load: () => import('../pages/connections.js') },
    { id: 'access', key: 'a', load: () => import('../pages/access.js') },
    { id: 'settings', key: 's', load: () => import('../pages/settings.js') },
  ]],
];
const more = [{ id: 'brokers', one: () => import('../pages/broker.js') }];
export const all = [...sections.flatMap(([, list]) => list), ...more];

export function Shell({ session, speak }) {
  const route = useRoute();
  const [open, setOpen] = useState(false);
  const name = route.path[0] ?? 'overview';
  useEffect(() => setOpen(false), [route.path.join('/')]);
  useEffect(() => keys(all), []);
  return html`<div class=${'shell' + (open ? ' open' : '')}>
    <a class="skip" href="#content" onClick=${(e) => { e.preventDefault(); document.querySelector('main').focus(); }}>${t('skip')}</a>
    <header class="top">
      <button type="button" class="icon menu" aria-label=${t('menu')} aria-expanded=${open} aria-controls="navigation" onClick=${() => setOpen(!open)}><${Icon} name=${open ? 'close' : 'menu'} /></button>
      <a class="brand" href="#/"><img src="mark.svg" alt="" width="24" height="24" /><span>Goddard</span></a>
      <${Sites} session=${session} />
      <span class="gap"></span>
      <${Preferences} session=${session} speak=${speak} />
    </header>
    <nav id="navigation" class="side" aria-label=${t('nav')}>
      ${sections.map(([title, list]) => html`<div key=${title}>
        ${title && html`<h2>${t(title)}</h2>`}
        <ul>${list.map((p) => html`<li key=${p.id}><a href=${link(p.id === 'overview' ? [] : [p.id], { site: route.query.site })} aria-current=${p.id === name ? 'page' : undefined}>
          <${Icon} name=${p.id} /><span>${t('nav.' + p.id)}</span></a></li>`)}</ul></div>`)}
      <p class="version">${session.version}</p>
    </nav>
    <div class="shade" onClick=${() => setOpen(false)}></div>
    <main id="content" tabindex="-1"><${Content} key=${api.site() + '/' + route.path.join('/')} name=${name} path=${route.path} /></main>
  </div>`;
}

function Content({ name, path }) {
  const [state, set] = useState({});
  const first = useRef(document.activeElement === document.body);
  const page = all.find((p) => p.id === name);
  const source = path.length > 1 ? page?.one : page?.load;
  useEffect(() => {
    source?.().then((module) => set({ view: module.default }), () => set({ error: { message: t('error.unreachable'), fix: t('error.unreachable.fix') } }));
  }, [source]);
  useEffect(() => {
    if (state.view && !first.current) document.querySelector('main h1')?.focus({ preventScroll: true });
  }, [state.view]);
  if (!source) return html`<${Page} title=${t('lost.title')}><${Empty} title=${t('lost.text')} icon="info"><a href="#/">${t('lost.home')}</a><//><//>`;
  if (state.error) return html`<${Fault} error=${state.error} again=${() => location.reload()} />`;
  if (!state.view) return html`<${Wait} />`;
  return html`<${state.view} path=${path} />`;
}

function Sites({ session }) {
  const { sites } = session;
  const change = (e) => {
    api.chooseSite(e.target.value);
    ask({ site: e.target.value });
  };
  if (sites.length < 2) return html`<span class="site"><${Icon} name="server" />${sites[0]?.name}</span>`;
  return html`<label class="site"><${Icon} name="server" /><span class="hidden">${t('site')}</span>
    <select value=${api.site()} onChange=${change}>${sites.map((s) => html`<option key=${s.name} value=${s.name} selected=${s.name === api.site()}>${s.name}</option>`)}</select></label>`;
}

const themes = ['auto', 'light', 'dark'];

function Preferences({ session, speak }) {
  const [theme, setTheme] = useState(recall('theme') ?? 'auto');
  const turn = () => {
    const next = themes[(themes.indexOf(theme) + 1) % themes.length];
    if (next === 'auto') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    remember('theme', next === 'auto' ? null : next);
    setTheme(next);
    dispatchEvent(new Event('goddard-theme'));
  };
  const other = languages[(languages.indexOf(language()) + 1) % languages.length];
  return html`<div class="preferences">
    <button type="button" class="icon text" lang=${other} aria-label=${t('language.to')} title=${t('language.to')} onClick=${() => speak(other)}><${Icon} name="language" /><span>${t('language.other')}</span></button>
    <button type="button" class="icon" aria-label=${t('theme.' + theme)} title=${t('theme.' + theme)} onClick=${turn}><${Icon} name=${{ auto: 'auto', light: 'sun', dark: 'moon' }[theme]} /></button>
    <button type="button" class="icon keys" aria-label=${t('keys')} title=${t('keys')} onClick=${() => dispatchEvent(new Event('goddard-keys'))}><${Icon} name="keyboard" /></button>
    ${session.user && html`<span class="who"><${Icon} name="user" />${session.user}</span>
      <button type="button" class="icon" aria-label=${t('logout')} title=${t('logout')} onClick=${() => api.logout()}><${Icon} name="logout" /></button>`}
  </div>`;
}

export const current = () => here().path[0] ?? 'overview';
