// A message's body as text, as JSON in its shape, or as bytes.
import { html, useMemo, useState } from './dom.js';
import { t } from './i18n.js';
import { size } from './format.js';

export function Body({ body }) {
  const [as, setAs] = useState(body.kind === 'json' ? 'json' : body.kind === 'binary' ? 'hex' : 'text');
  const text = useMemo(() => written(body, as), [body, as]);
  if (body.error) return html`<p class="note warn">${body.error}</p>`;
  if (body.kind === 'empty') return html`<p class="muted">${t('body.empty')}</p>`;
  const ways = [body.kind === 'json' && 'json', body.kind !== 'binary' && 'text', 'hex'].filter(Boolean);
  return html`<div class="stack"><div class="bar"><div class="segments" role="group" aria-label=${t('body.as')}>${ways.map((w) => html`<button type="button" key=${w} aria-pressed=${w === as} onClick=${() => setAs(w)}>${t('body.' + w)}</button>`)}</div>
    <span class="muted">${size(body.size)}${body.compression && ` · ${body.compression} ${size(body.stored_size)}`}</span></div>
    <pre class=${'body' + (as === 'hex' ? ' hex' : '')} tabindex="0">${text}</pre>
    ${body.truncated && html`<p class="note">${t('body.truncated')}</p>`}</div>`;
}

function written(body, as) {
  if (as === 'hex') return hex(body.kind === 'binary' ? Uint8Array.from(atob(body.base64), (c) => c.charCodeAt(0)) : new TextEncoder().encode(body.text));
  if (as !== 'json') return body.text;
  try {
    // Numbers stay as they were written: 64-bit ids don't fit a number here.
    return JSON.stringify(JSON.parse(body.text, (name, value, { source } = {}) => (typeof value === 'number' && source && JSON.rawJSON ? JSON.rawJSON(source) : value)), null, 2);
  } catch {
    return body.text; // cut off, so no JSON any more
  }
}

const mostLines = 4096;

// hex is offset, sixteen bytes, and what of them can be read.
function hex(bytes) {
  const lines = [];
  for (let at = 0; at < bytes.length && lines.length < mostLines; at += 16) {
    const row = [...bytes.subarray(at, at + 16)];
    const digits = row.map((b) => b.toString(16).padStart(2, '0')).join(' ').padEnd(48);
    lines.push(`${at.toString(16).padStart(6, '0')}  ${digits} ${row.map((b) => (b > 31 && b < 127 ? String.fromCharCode(b) : '.')).join('')}`);
  }
  return lines.join('\n');
}
