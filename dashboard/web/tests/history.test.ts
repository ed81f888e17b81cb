import { describe, expect, it } from 'vitest';
import { lines, summary } from '../src/lib/figures';
import { bounded, latest, moved, points, zoomed } from '../src/lib/ranges';
import type { Sample } from '../src/lib/schema.gen';

const NOW = 1_000_000;
const DAY = 86_400;

describe('what is looked at', () => {
  it('is as long as its range, and ends now', () => {
    expect(latest('hour', NOW)).toEqual({ since: NOW - 3600, until: NOW });
    expect(latest('month', NOW)).toEqual({ since: NOW - 30 * DAY, until: NOW });
  });

  it('has as many points as a width can show, within bounds', () => {
    expect(points(0)).toBe(60);
    expect(points(600)).toBe(200);
    expect(points(10_000)).toBe(600);
  });

  it('never reaches into the future', () => {
    expect(moved({ since: NOW - 100, until: NOW - 50 }, 10, NOW).until).toBe(NOW);
    expect(zoomed({ since: NOW - 3600, until: NOW }, 2, NOW)).toEqual({ since: NOW - 7200, until: NOW });
    expect(moved(latest('day', NOW), 0.5, NOW)).toEqual(latest('day', NOW));
  });

  it('keeps its middle where it can', () => {
    expect(zoomed({ since: NOW - 7200, until: NOW - 3600 }, 0.5, NOW)).toEqual({ since: NOW - 6300, until: NOW - 4500 });
  });

  it('is neither too short nor too long', () => {
    expect(bounded({ since: NOW - 1000, until: NOW - 999 }, NOW)).toEqual({ since: NOW - 1059, until: NOW - 939 });
    const { since, until } = bounded({ since: NOW - 45 * DAY, until: NOW + 15 * DAY }, NOW);
    expect([until, until - since]).toEqual([NOW, 30 * DAY]);
  });
});

describe('lines of charts', () => {
  const sample = (at: number, more: Partial<Sample> = {}): Sample =>
    ({ at, reachable: 1, rtt_ms: 5, rtt_max_ms: 9, rx_bytes: 600, tx_bytes: 60, dropped: 0, ...more }) as Sample;

  it('are interrupted where nothing was recorded', () => {
    const { at, values } = lines('rtt', [sample(0), sample(60), sample(240)], 60, NOW);
    expect(at).toEqual([0, 60, 120, 240]);
    expect(values).toEqual([
      [5, 5, null, 5],
      [9, 9, null, 9],
    ]);
  });

  it('are interrupted where there was no answer', () => {
    expect(lines('rtt', [sample(0, { rtt_ms: null, rtt_max_ms: null })], 60, NOW).values).toEqual([[null], [null]]);
  });

  it('tell bits a second, of a step that is not over of what is over of it', () => {
    const { values } = lines('throughput', [sample(0), sample(60)], 60, 90);
    expect(values).toEqual([
      [80, 160],
      [8, 16],
    ]);
  });

  it('are summed up by what was recorded', () => {
    expect(summary([1, null, 2, 6])).toEqual({ min: 1, mean: 3, max: 6 });
    expect(summary([null])).toBeUndefined();
    expect(summary([])).toBeUndefined();
  });
});
