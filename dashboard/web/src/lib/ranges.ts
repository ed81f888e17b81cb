/** Which time is looked at: of charts, in seconds since 1970. */
export interface Span {
  since: number;
  until: number;
}

export const RANGES = ['hour', 'day', 'week', 'month'] as const;
export type Range = (typeof RANGES)[number];

const SECONDS: Record<Range, number> = { hour: 3600, day: 86_400, week: 604_800, month: 2_592_000 };

/** Shorter than this there is nothing more to see: figures are kept no finer than some seconds. */
const LENGTH_MIN = 120;
const LENGTH_MAX = SECONDS.month;

/** Samples that are asked for at least, and at most: more than one for every few pixels nobody can tell apart. */
const POINTS_MIN = 60;
const POINTS_MAX = 600;
const PIXELS_PER_POINT = 3;

/** The last hour, day, week or month. */
export function latest(range: Range, now: number): Span {
  return { since: now - SECONDS[range], until: now };
}

/** How many samples a chart of a width wants. */
export function points(width: number): number {
  return Math.min(Math.max(Math.round(width / PIXELS_PER_POINT), POINTS_MIN), POINTS_MAX);
}

/** A span of a bearable length that does not reach into the future, around the same middle where that can be. */
export function bounded({ since, until }: Span, now: number): Span {
  const length = Math.min(Math.max(until - since, LENGTH_MIN), LENGTH_MAX);
  const end = Math.min((since + until + length) / 2, now);
  return { since: Math.round(end - length), until: Math.round(end) };
}

/** The same middle, and so many times the length. */
export function zoomed({ since, until }: Span, factor: number, now: number): Span {
  const middle = (since + until) / 2;
  const half = ((until - since) * factor) / 2;
  return bounded({ since: middle - half, until: middle + half }, now);
}

/** The same length, moved by a share of it. */
export function moved({ since, until }: Span, share: number, now: number): Span {
  const by = (until - since) * share;
  return bounded({ since: since + by, until: until + by }, now);
}
