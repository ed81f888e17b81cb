import { describe, expect, it } from 'vitest';
import { extended, renewed } from '../src/lib/paging';
import { chosen, matches, sorted, type Column } from '../src/lib/table';
import { webLink } from '../src/lib/weblink';

describe('pages of a list', () => {
  const of = (...ids: number[]): { id: number }[] => ids.map((id) => ({ id }));

  it('follow on each other, and nothing is there twice', () => {
    expect(extended(of(9, 8), of(8, 7))).toEqual(of(9, 8, 7));
    expect(extended([], of(3))).toEqual(of(3));
  });

  it('are renewed at the top, and keep what is older', () => {
    expect(renewed(of(5, 4, 3, 2), of(7, 6, 5, 4))).toEqual(of(7, 6, 5, 4, 3, 2));
  });

  it('lose what is in the new page no more', () => {
    expect(renewed(of(5, 4, 3, 2), of(5, 3))).toEqual(of(5, 3, 2));
  });

  it('hold what things have become', () => {
    const held = [{ id: 2, note: 'old' }, { id: 1, note: 'old' }];
    expect(renewed(held, [{ id: 2, note: 'new' }])).toEqual([{ id: 2, note: 'new' }, { id: 1, note: 'old' }]);
  });
});

describe('rows of a table', () => {
  interface Row {
    name: string;
    rtt?: number | null;
  }
  const columns: Column<Row>[] = [
    { label: 'name', by: (row) => row.name },
    { label: 'rtt', by: (row) => row.rtt },
    { label: 'address' },
  ];
  const rows: Row[] = [{ name: 'm10', rtt: 3 }, { name: 'm9', rtt: null }, { name: 'm1', rtt: 20 }];
  const names = (column: number, isDescending = false): string[] =>
    sorted(rows, columns, { column, isDescending }).map((row) => row.name);

  it('stay as they come until a column is chosen', () => {
    expect(sorted(rows, columns, undefined)).toBe(rows);
    expect(sorted(rows, columns, { column: 2, isDescending: false })).toBe(rows);
    expect(sorted(rows, columns, { column: -1, isDescending: false })).toBe(rows);
  });

  it('are sorted as people count', () => {
    expect(names(0)).toEqual(['m1', 'm9', 'm10']);
    expect(names(0, true)).toEqual(['m10', 'm9', 'm1']);
  });

  it('come last without a value, either way', () => {
    expect(names(1)).toEqual(['m10', 'm1', 'm9']);
    expect(names(1, true)).toEqual(['m1', 'm10', 'm9']);
  });

  it('turn round when their column is chosen once more', () => {
    expect(chosen(undefined, 1)).toEqual({ column: 1, isDescending: false });
    expect(chosen({ column: 1, isDescending: false }, 1)).toEqual({ column: 1, isDescending: true });
    expect(chosen({ column: 1, isDescending: true }, 0)).toEqual({ column: 0, isDescending: false });
  });

  it('are found by each word in any of their texts', () => {
    expect(matches('', 'bob')).toBe(true);
    expect(matches('  BO fd42 ', 'bob', null, 'FD42::1')).toBe(true);
    expect(matches('bob carol', 'bob')).toBe(false);
    expect(matches('undefined', 'bob', undefined)).toBe(false);
  });

});

describe('names that members publish', () => {
  it('lead to a page where they say where a machine is', () => {
    expect(webLink({ type: 'AAAA', fqdn: 'wiki.bob.home.example' })).toBe('http://wiki.bob.home.example/');
    expect(webLink({ type: 'A', fqdn: 'wiki.bob.home.example.' })).toBe('http://wiki.bob.home.example/');
    expect(webLink({ type: 'TXT', fqdn: 'wiki.bob.home.example' })).toBeUndefined();
  });

  it('lead nowhere where they could mean something else', () => {
    for (const fqdn of ['evil.example/x', 'a@b', 'a:80', '', '*.bob', '_http._tcp.bob', 'a..b', '-a', 'a b']) {
      expect(webLink({ type: 'A', fqdn }), fqdn).toBeUndefined();
    }
  });
});
