// Tables: sorted and paged by the server or here, walked by arrow keys, cards
// on a phone.
import { html } from './dom.js';
import { t } from './i18n.js';
import { ask, useRoute } from './router.js';
import { Empty, Icon } from './show.js';
import { number } from './format.js';

// Table draws rows. A column is {name, label, cell(row), kind, sort}: kind
// "number" aligns right, "main" is the row's title on a phone, "actions" holds
// buttons; sort names the order in the address (a leading "-" turns it), or
// is a function of a row when the rows are sorted here. The table's own kind
// is a class by which the style sheet lays it out.
export function Table({ label, columns, rows, id, empty, sortHere, kind }) {
  const { query } = useRoute();
  const shown = columns.filter(Boolean);
  if (!rows.length && empty) return empty;
  const sorted = sortHere ? order(rows, shown, query.sort) : rows;
  return html`<div class="table-box" tabindex=${-1}><table class=${kind} aria-label=${label}>
    <thead><tr>${shown.map((c) => html`<${Head} key=${c.name} column=${c} sort=${query.sort} />`)}</tr></thead>
    <tbody onKeyDown=${walk}>${sorted.map((row, i) => html`<tr key=${id ? id(row) : i}>
      ${shown.map((c) => html`<td key=${c.name} class=${c.kind ?? ''} data-label=${c.label}>${c.cell(row)}</td>`)}
    </tr>`)}</tbody>
  </table></div>`;
}

function Head({ column, sort = '' }) {
  const { label, kind = '' } = column;
  if (!column.sort) return html`<th scope="col" class=${kind}>${kind === 'actions' ? html`<span class="hidden">${t('actions')}</span>` : label}</th>`;
  const down = sort === '-' + column.name;
  const up = sort === column.name;
  const turn = () => ask({ sort: up ? '-' + column.name : down ? undefined : column.name, page: undefined });
  return html`<th scope="col" class=${kind} aria-sort=${up ? 'ascending' : down ? 'descending' : undefined}>
    <button type="button" class=${'sort' + (up || down ? ' on' : '')} onClick=${turn}>${label}<${Icon} name=${up ? 'up' : 'down'} /></button></th>`;
}

function order(rows, columns, sort) {
  const column = columns.find((c) => c.sort && c.name === sort?.replace(/^-/, ''));
  if (!column) return rows;
  const sign = sort.startsWith('-') ? -1 : 1;
  return [...rows].sort((a, b) => {
    const [x, y] = [column.sort(a), column.sort(b)];
    return sign * (typeof x === 'string' ? x.localeCompare(y) : (x ?? 0) - (y ?? 0));
  });
}

// walk moves between rows by arrows, j and k.
function walk(e) {
  const by = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[e.key];
  if (!by || e.target.closest('input, select, textarea') || e.altKey || e.ctrlKey || e.metaKey) return;
  const row = e.target.closest('tr');
  const next = by > 0 ? row.nextElementSibling : row.previousElementSibling;
  const to = next?.querySelector('a, button');
  if (to) {
    e.preventDefault();
    to.focus();
  } else if (by < 0) document.querySelector('[data-search]')?.focus();
}

// Pager goes through pages of a list whose place is in the address.
export function Pager({ total, limit }) {
  const { query } = useRoute();
  const page = Number(query.page ?? 1);
  const last = Math.max(1, Math.ceil(total / limit));
  if (last === 1) return html`<p class="pager">${t('rows', { n: total })}</p>`;
  const to = (n) => ask({ page: n === 1 ? undefined : n }, true);
  return html`<nav class="pager" aria-label=${t('pages')}>
    <span>${t('page.of', { from: number((page - 1) * limit + 1), to: number(Math.min(total, page * limit)), total: number(total) })}</span>
    <button type="button" class="icon" aria-label=${t('page.before')} disabled=${page <= 1} onClick=${() => to(page - 1)}><${Icon} name="left" /></button>
    <button type="button" class="icon" aria-label=${t('page.next')} disabled=${page >= last} onClick=${() => to(page + 1)}><${Icon} name="right" /></button>
  </nav>`;
}

// useWindow cuts a list that was answered whole into the page in the address.
export function useWindow(rows, limit) {
  const { query } = useRoute();
  const page = Number(query.page ?? 1);
  return rows.slice((page - 1) * limit, page * limit);
}
