/** Numbers and times as people read them. */
import { locale } from './i18n.svelte';

const BYTE_UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const;

function scaled(value: number, units: readonly string[], step: number): string {
  const at = Math.min(Math.max(Math.floor(Math.log(Math.max(value, 1)) / Math.log(step)), 0), units.length - 1);
  const amount = value / step ** at;
  const unit = units[at] ?? 'byte';
  const maximumFractionDigits = amount < 10 && at > 0 ? 1 : 0;
  return new Intl.NumberFormat(locale.language, { style: 'unit', unit, unitDisplay: 'short', maximumFractionDigits }).format(amount);
}

export function bytes(value: number): string {
  if (value < 1000) {
    return `${count(value)} B`;
  }
  return scaled(value, BYTE_UNITS, 1000);
}

/** Bytes a second, told in bits as links are. */
export function rate(bytesPerSecond: number): string {
  const units = ['bit', 'kilobit', 'megabit', 'gigabit', 'terabit'].map((unit) => `${unit}-per-second`);
  return scaled(bytesPerSecond * 8, units, 1000);
}

export function milliseconds(value: number | null | undefined): string {
  if (value === null || value === undefined) {
    return '–';
  }
  const maximumFractionDigits = value < 10 ? 1 : 0;
  const options = { style: 'unit', unit: 'millisecond', unitDisplay: 'short', maximumFractionDigits } as const;
  return new Intl.NumberFormat(locale.language, options).format(value);
}

export function percent(value: number): string {
  const maximumFractionDigits = value > 99 && value < 100 ? 2 : 0;
  return new Intl.NumberFormat(locale.language, { style: 'percent', maximumFractionDigits }).format(value / 100);
}

export function count(value: number): string {
  return new Intl.NumberFormat(locale.language).format(value);
}

const SPANS: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
];

/** How long ago, or in how long. */
export function relative(time: string, now: number = Date.now()): string {
  const seconds = Math.round((Date.parse(time) - now) / 1000);
  const format = new Intl.RelativeTimeFormat(locale.language, { numeric: 'auto' });
  const span = SPANS.find(([, length]) => Math.abs(seconds) >= length);
  return span === undefined ? format.format(seconds, 'second') : format.format(Math.round(seconds / span[1]), span[0]);
}

export function moment(time: string): string {
  return new Intl.DateTimeFormat(locale.language, { dateStyle: 'medium', timeStyle: 'medium' }).format(new Date(time));
}

/** A moment in seconds since 1970. */
export function momentAt(seconds: number): string {
  return moment(new Date(seconds * 1000).toISOString());
}

/** A moment as an axis says it whose marks are so many seconds apart: the day where one begins, else the time. */
export function axisTime(seconds: number, step: number): string {
  const date = new Date(seconds * 1000);
  const isDay = step >= 86_400 || (date.getHours() === 0 && date.getMinutes() === 0);
  const second = step < 60 ? ({ second: '2-digit' } as const) : {};
  const options = isDay ? ({ day: 'numeric', month: 'short' } as const) : ({ hour: '2-digit', minute: '2-digit', ...second } as const);
  return new Intl.DateTimeFormat(locale.language, { ...options, hourCycle: 'h23' }).format(date);
}

export function duration(seconds: number): string {
  const [unit, length] = SPANS.find(([, span]) => seconds >= span) ?? (['second', 1] as const);
  const options = { style: 'unit', unit, unitDisplay: 'long', maximumFractionDigits: 0 } as const;
  return new Intl.NumberFormat(locale.language, options).format(Math.floor(seconds / length));
}
