/** What samples say, as lines of charts. */
import type { Sample } from './schema.gen';

export type Figure = 'throughput' | 'rtt' | 'load' | 'members' | 'reachable';
export type Values = (number | null)[];

export interface Lines {
  /** Seconds since 1970. */
  at: number[];
  /** Of each line of the figure, a value for each moment; none where nothing was recorded. */
  values: Values[];
}

type Pick = (sample: Sample, seconds: number) => number | null | undefined;

const BITS = 8;
const PER_CENT = 100;

/** The lines of each figure: of throughput what was received and sent, in bits a second; of round trips mean and most. */
const PICKS: Record<Figure, readonly Pick[]> = {
  throughput: [(one, seconds) => (one.rx_bytes * BITS) / seconds, (one, seconds) => (one.tx_bytes * BITS) / seconds],
  rtt: [(one) => one.rtt_ms, (one) => one.rtt_max_ms],
  load: [(one) => one.load_percent],
  members: [(one) => one.members],
  reachable: [(one) => one.reachable * PER_CENT],
};

/** The lines of a figure. Between samples that do not follow on each other they are interrupted. */
export function lines(figure: Figure, samples: readonly Sample[], step: number, now: number): Lines {
  const found: Lines = { at: [], values: PICKS[figure].map(() => []) };
  for (const sample of samples) {
    const last = found.at.at(-1);
    if (last !== undefined && sample.at - last > step * 1.5) {
      found.at.push(last + step);
      found.values.forEach((values) => values.push(null));
    }
    // The step that has just begun is not over yet.
    const seconds = Math.max(Math.min(step, now - sample.at), 1);
    found.at.push(sample.at);
    PICKS[figure].forEach((pick, number) => found.values[number]?.push(pick(sample, seconds) ?? null));
  }
  return found;
}

export interface Summary {
  min: number;
  mean: number;
  max: number;
}

/** The least, mean and greatest of what was recorded, if anything was. */
export function summary(values: Values): Summary | undefined {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) {
    return undefined;
  }
  const sum = known.reduce((total, value) => total + value, 0);
  const least = (a: number, b: number): number => Math.min(a, b);
  const greatest = (a: number, b: number): number => Math.max(a, b);
  return { min: known.reduce(least), mean: sum / known.length, max: known.reduce(greatest) };
}
