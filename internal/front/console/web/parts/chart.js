// Charts over time, drawn by uPlot, which is loaded with the first of them.
import { html, useEffect, useRef, useState } from './dom.js';
import { locale, t } from './i18n.js';
import { useLive } from './live.js';
import { Fault, Wait } from './show.js';
import { hour, instant, percent, rate, short, size, span } from './format.js';

let loading;
function load() {
  loading ??= new Promise((resolve, reject) => {
    const style = Object.assign(document.createElement('link'), { rel: 'stylesheet', href: 'vendor/uplot.css' });
    const script = Object.assign(document.createElement('script'), { src: 'vendor/uplot.js', onload: () => resolve(window.uPlot), onerror: reject });
    document.head.append(style, script);
  });
  return loading;
}

// written are values by unit: short for axes, full for the legend.
const written = {
  'messages/s': [short, (v) => t('per.second', { rate: rate(v) })],
  'bytes/s': [size, (v) => t('per.second', { rate: size(v) })],
  bytes: [size, size],
  share: [percent, percent],
  seconds: [(v) => span(v * 1000), (v) => span(v * 1000)],
};
const writing = (unit) => written[unit] ?? [short, short];

// colour asks the browser what a name of the style sheet looks like now.
function colour(name) {
  const probe = document.createElement('i');
  probe.className = 'probe ' + name;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

const powers = Array.from({ length: 50 }, (_, n) => 2 ** n);
const wholes = Array.from({ length: 15 }, (_, n) => [1, 2, 5].map((d) => d * 10 ** n)).flat();

// steps are what an axis may count in: bytes by powers of two, things in wholes.
function steps(unit) {
  if (unit.startsWith('bytes')) return { incrs: powers };
  if (unit === 'messages/s') return { incrs: [0.1, 0.2, 0.5, ...wholes] };
  return ['messages', 'count'].includes(unit) ? { incrs: wholes } : {};
}

const colours = ['c1', 'c2', 'c3', 'c4'];

// History is a chart of series that the server keeps, by the range in use.
export function History({ title, params, names, range = '1h', tall }) {
  const live = useLive('/history', { ...params, range }, range === '15m' || range === '1h' ? 10000 : 60000);
  const all = live.data?.series.filter((s) => names.includes(s.name)).sort((a, b) => names.indexOf(a.name) - names.indexOf(b.name));
  return html`<figure class=${'chart' + (tall ? ' tall' : '')}>
    <figcaption><h2>${title}</h2>${all && html`<${Legend} series=${all} />`}</figcaption>
    ${all ? html`<${Plot} series=${all} title=${title} from=${live.data.from} to=${live.data.to} />` : live.error ? html`<${Fault} error=${live.error} again=${live.reload} />` : html`<${Wait} />`}
  </figure>`;
}

const latest = (s) => s.points.findLast(([, v]) => v !== null)?.[1];

function Legend({ series }) {
  return html`<ul class="legend">${series.map((s, i) => html`<li key=${s.name}><i class=${'dot ' + colours[i]}></i>
    ${series.length > 1 && html`<span>${t('series.' + s.name)}</span>`}<b>${writing(s.unit)[1](latest(s))}</b></li>`)}</ul>`;
}

function Plot({ series, title, from, to }) {
  const box = useRef();
  const plot = useRef();
  const [scheme, setScheme] = useState(0);
  const shape = series.map((s) => s.name + s.unit).join() + scheme + locale();
  useEffect(() => {
    const redraw = () => setScheme((n) => n + 1);
    const dark = matchMedia('(prefers-color-scheme: dark)');
    dark.addEventListener('change', redraw);
    addEventListener('goddard-theme', redraw);
    return () => {
      dark.removeEventListener('change', redraw);
      removeEventListener('goddard-theme', redraw);
    };
  }, []);
  useEffect(() => {
    let gone = false;
    let watcher;
    const space = box.current;
    load().then((UPlot) => {
      if (gone) return;
      plot.current = new UPlot(options(series, space, UPlot), align(series, from, to), space);
      watcher = new ResizeObserver(() => plot.current?.setSize({ width: space.clientWidth, height: space.clientHeight }));
      watcher.observe(space);
    });
    return () => {
      gone = true;
      watcher?.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [shape]);
  useEffect(() => {
    plot.current?.setData(align(series, from, to));
  }, [series]);
  const words = series.map((s) => `${t('series.' + s.name)}: ${writing(s.unit)[1](latest(s))}`).join(', ');
  return html`<div class="plot" role="img" aria-label=${`${title}. ${words}`} ref=${box}></div>`;
}

// align puts the points of all series on one axis of times; it begins and ends
// where the range does, so that a young history fills from the right.
function align(series, from, to) {
  const at = new Set([from, to].filter(Boolean).map((x) => Math.floor(Date.parse(x) / 1000)));
  for (const s of series) for (const [x] of s.points) at.add(x);
  const xs = [...at].sort((a, b) => a - b);
  return [xs, ...series.map((s) => {
    const values = new Map(s.points);
    return xs.map((x) => values.get(x));
  })];
}

function options(series, box, UPlot) {
  const [muted, line] = [colour('muted'), colour('line')];
  const [axis] = writing(series[0].unit);
  const share = series[0].unit === 'share';
  const tip = document.createElement('div');
  tip.className = 'tip';
  tip.hidden = true;
  return {
    width: box.clientWidth,
    height: box.clientHeight,
    padding: [8, 20, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
    scales: { x: { time: true }, y: { range: (u, lo, hi) => [0, share ? 1 : Math.max(hi * 1.15, 1)] } },
    axes: [
      { stroke: muted, grid: { show: false }, ticks: { show: false }, font: '11px system-ui', size: 24, space: 38, values: (u, at) => at.map((x) => hour(x * 1000)) },
      { stroke: muted, grid: { stroke: line, width: 1 }, ticks: { show: false }, font: '11px system-ui', size: 50, space: 28, ...steps(series[0].unit), values: (u, all) => all.map((v) => axis(v)) },
    ],
    series: [{}, ...series.map((s, i) => ({
      label: s.name, stroke: colour(colours[i]), width: 1.5, spanGaps: false,
      fill: series.length < 3 ? colour(colours[i] + ' pale') : undefined,
      points: { show: (u, j) => u.data[j].filter((v) => v !== null && v !== undefined).length < 2 },
    }))],
    hooks: {
      init: [(u) => u.over.append(tip)],
      setCursor: [(u) => {
        const { idx, left } = u.cursor;
        const values = idx === null || idx === undefined ? [] : series.map((s, i) => [t('series.' + s.name), u.data[i + 1][idx], s.unit]).filter(([, v]) => v !== null && v !== undefined);
        tip.hidden = !values.length || left < 0;
        if (tip.hidden) return;
        tip.replaceChildren(Object.assign(document.createElement('b'), { textContent: instant(u.data[0][idx] * 1000) }),
          ...values.map(([name, v, unit]) => Object.assign(document.createElement('span'), { textContent: `${name} ${writing(unit)[1](v)}` })));
        const right = left > u.over.clientWidth / 2;
        tip.style.left = right ? 'auto' : `${left + 10}px`;
        tip.style.right = right ? `${u.over.clientWidth - left + 10}px` : 'auto';
      }],
    },
  };
}

// Ranges chooses how much of the past the charts show.
export function Ranges({ value, change }) {
  return html`<div class="segments" role="group" aria-label=${t('range')}>
    ${['15m', '1h', '6h', '24h', '72h'].map((r) => html`<button type="button" key=${r} aria-pressed=${r === value} onClick=${() => change(r)}>${t('range.' + r)}</button>`)}
  </div>`;
}
