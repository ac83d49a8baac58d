// Words in the reader's language. A text is a string with {names}, or a table
// of plural forms of which {n} chooses one, as Intl.PluralRules counts.
import en from '../i18n/en.js';
import { recall, remember } from './store.js';

export const languages = ['en', 'zh'];
let texts = en;
let current = 'en';
let plurals = new Intl.PluralRules('en');

// begin loads the remembered language, or the browser's first that there is.
export async function begin() {
  const wanted = [recall('language'), ...(navigator.languages ?? [])];
  const found = wanted.map((tag) => tag?.slice(0, 2)).find((tag) => languages.includes(tag));
  await speak(found ?? 'en');
}

async function speak(language) {
  texts = language === 'en' ? en : (await import(`../i18n/${language}.js`)).default;
  current = language;
  plurals = new Intl.PluralRules(locale());
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
}

// choose changes the language and remembers it.
export async function choose(language) {
  await speak(language);
  remember('language', language);
}

export const language = () => current;

// locale is what Intl formats by: the browser's flavour of our language.
export function locale() {
  return navigator.languages?.find((tag) => tag.slice(0, 2) === current) ?? (current === 'zh' ? 'zh-CN' : 'en');
}

export function t(key, values = {}) {
  let text = texts[key] ?? en[key];
  if (text === undefined) {
    console.error(`no text for ${key}`);
    return key;
  }
  if (typeof text === 'object') text = text[plurals.select(Number(values.n))] ?? text.other;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(show(values[name])) : whole));
}

const show = (value) => (typeof value === 'number' ? new Intl.NumberFormat(locale()).format(value) : value);

// has reports whether there is a text for a key that the server named.
export const has = (key) => key in en;
