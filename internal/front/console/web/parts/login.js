// The form to log in, when the console asks who one is.
import { html, useEffect, useRef, useState } from './dom.js';
import { t } from './i18n.js';
import { login } from './api.js';
import { Fault } from './show.js';

export function Login() {
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const first = useRef();
  useEffect(() => {
    first.current.focus(); // the browser does so only when a page begins
    document.title = `${t('login.title')} · Goddard`;
  }, []);
  const submit = async (e) => {
    e.preventDefault();
    const { user, password } = e.target.elements;
    setBusy(true);
    try {
      await login(user.value, password.value);
    } catch (failure) {
      setError(failure);
      setBusy(false);
      password.select();
    }
  };
  return html`<main class="alone"><form class="login panel" onSubmit=${submit}>
    <img src="mark.svg" alt="" width="40" height="40" />
    <h1>${t('login.title')}</h1>
    <label class="field"><span>${t('login.user')}</span><input name="user" ref=${first} required autofocus autocomplete="username" spellcheck="false" /></label>
    <label class="field"><span>${t('login.password')}</span><input name="password" type="password" required autocomplete="current-password" /></label>
    ${error && html`<${Fault} error=${error} />`}
    <button class="primary" disabled=${busy}>${t('login.action')}</button>
  </form></main>`;
}
