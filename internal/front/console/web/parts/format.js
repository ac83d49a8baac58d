// Numbers, sizes, times and spans as the reader writes them.
import { locale, t } from './i18n.js';

const formats = new Map();
function format(kind, options) {
  const key = kind.name + locale() + JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new kind(locale(), options));
  return formats.get(key);
}

const none = '–';
const missing = (value) => value === null || value === undefined || Number.isNaN(value);

export const number = (n) => (missing(n) ? none : format(Intl.NumberFormat, { maximumFractionDigits: 0 }).format(n));
export const percent = (n) => (missing(n) ? none : format(Intl.NumberFormat, { style: 'percent', maximumFractionDigits: n < 0.1 ? 1 : 0 }).format(n));

// rate shows small ones with a digit behind the point.
export const rate = (n) => (missing(n) ? none : format(Intl.NumberFormat, { maximumFractionDigits: Math.abs(n) < 10 ? 1 : 0 }).format(n));

// short is for axes and tiles: 12.3K.
export const short = (n) => (missing(n) ? none : format(Intl.NumberFormat, { notation: 'compact', maximumFractionDigits: 1 }).format(n));

const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte', 'petabyte'];
export function size(bytes) {
  if (missing(bytes)) return none;
  const step = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log(bytes) / Math.log(1024)));
  const value = bytes / 1024 ** step;
  if (!step) return `${number(value)}\u00a0B`;
  return format(Intl.NumberFormat, { style: 'unit', unit: units[step], unitDisplay: 'short', maximumFractionDigits: value < 10 ? 1 : 0 }).format(value);
}

// moment is a time of the server's (RFC 3339, or ms since 1970) as ms, NaN if
// it is not known.
export const moment = (at) => (typeof at === 'string' ? Date.parse(at) : at > 0 ? at : NaN);

// instant is a full local time; without its date if that is today. Precise, it
// has milliseconds and always its date; with 'ms' the date only if not today.
export function instant(at, precise) {
  const ms = moment(at);
  if (missing(ms)) return none;
  const today = new Date().toDateString() === new Date(ms).toDateString();
  const time = { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23', ...(precise && { fractionalSecondDigits: 3 }) };
  const date = today && precise !== true ? {} : { year: 'numeric', month: '2-digit', day: '2-digit' };
  return format(Intl.DateTimeFormat, { ...date, ...time }).format(ms);
}

const clock = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' };
// time is a time of the day, to the millisecond.
export const time = (at) => format(Intl.DateTimeFormat, { ...clock, second: '2-digit', fractionalSecondDigits: 3 }).format(moment(at));

export const hour = (ms) => format(Intl.DateTimeFormat, clock).format(ms);

const steps = [['day', 86400e3], ['hour', 3600e3], ['minute', 60e3], ['second', 1e3]];

// span is how long: its two largest units.
export function span(ms) {
  if (missing(ms)) return none;
  if (ms < 1000) return ms ? unit(Math.round(ms), 'millisecond') : unit(0, 'second');
  if (ms < 9950) return unit(Math.round(ms / 100) / 10, 'second');
  const parts = [];
  let rest = Math.round(ms / 1000) * 1000;
  for (const [name, step] of steps) {
    const n = Math.floor(rest / step);
    rest -= n * step;
    if (n || parts.length) parts.push(unit(n, name));
    if (parts.length === 2) break;
  }
  return parts.join(' ');
}
const unit = (n, name) => format(Intl.NumberFormat, { style: 'unit', unit: name, unitDisplay: 'narrow' }).format(n);

// ago is how long it is since, or until; rounded, so that 1 h 58 min is 2 h.
export function ago(at) {
  const ms = moment(at);
  if (missing(ms)) return none;
  const past = ms - Date.now();
  for (const [name, step] of steps) {
    if (Math.round(Math.abs(past) / 1e3) * 1e3 >= step * (name === 'second' ? 0 : 1)) {
      return format(Intl.RelativeTimeFormat, { numeric: 'auto', style: 'short' }).format(Math.round(past / step), name);
    }
  }
  return none;
}

// forInput is a time as <input type="datetime-local"> has it, in local time.
export function forInput(ms) {
  const at = new Date(ms - new Date(ms).getTimezoneOffset() * 60e3);
  return at.toISOString().slice(0, 19);
}

export const yesNo = (value) => t(value ? 'yes' : 'no');
