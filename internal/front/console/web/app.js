// The console: loads the reader's language and the session, then draws the
// page that the address names.
import { html, render, useEffect, useState } from './parts/dom.js';
import * as i18n from './parts/i18n.js';
import * as api from './parts/api.js';
import { Shell } from './parts/shell.js';
import { Login } from './parts/login.js';
import { Dialogs, Notices } from './parts/dialog.js';
import { Fault, Wait } from './parts/show.js';

function App() {
  const [session, setSession] = useState(api.theSession());
  const [error, setError] = useState(null);
  const [language, setLanguage] = useState(i18n.language());
  useEffect(() => api.watch(setSession), []);
  const begin = () => api.begin().then(() => setError(null), setError);
  useEffect(() => {
    begin();
  }, []);
  const speak = async (to) => {
    await i18n.choose(to);
    setLanguage(to);
  };
  let content;
  if (!session) content = html`<main class="alone">${error ? html`<${Fault} error=${error} again=${begin} />` : html`<${Wait} />`}</main>`;
  else if (session.authentication && !session.user) content = html`<${Login} />`;
  else content = html`<${Shell} session=${session} speak=${speak} />`;
  return html`<div class="root" key=${language}>${content}<${Dialogs} /><${Notices} /></div>`;
}

await i18n.begin();
render(html`<${App} />`, document.getElementById('app'));
