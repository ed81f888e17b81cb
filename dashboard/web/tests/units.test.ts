import { describe, expect, it } from 'vitest';
import { clusters } from '../src/lib/clusters';
import { fill } from '../src/lib/fill';
import { merge } from '../src/lib/merge';
import { rings } from '../src/lib/rings';
import { parse } from '../src/lib/route';
import type { Changes, PeerStatus, Status } from '../src/lib/schema.gen';
import { de } from '../src/locales/de';
import { en } from '../src/locales/en';

describe('strings', () => {
  it('fills placeholders and chooses by number', () => {
    const text = '{online} of {count} {member|members}';
    expect(fill(text, { online: 1, count: 1 }, 'en')).toBe('1 of 1 member');
    expect(fill(text, { online: 1000, count: 2000 }, 'en')).toBe('1,000 of 2,000 members');
    expect(fill('{x}', {}, 'en')).toBe('{x}');
  });

  it('are the same in every language, with the same placeholders', () => {
    const placeholders = (text: string): string[] => [...text.matchAll(/\{([^{}|]*)\}/g)].map((match) => match[1] ?? '').sort();
    for (const key of Object.keys(en) as (keyof typeof en)[]) {
      expect(de[key], key).not.toBe('');
      expect(placeholders(de[key]), key).toEqual(placeholders(en[key]));
    }
    expect(Object.keys(de).sort()).toEqual(Object.keys(en).sort());
  });
});

describe('addresses', () => {
  it('name a page and a thing on it', () => {
    expect(parse('/')).toEqual({ page: 'overview', item: undefined });
    expect(parse('/members/b%C3%B6b')).toEqual({ page: 'members', item: 'böb' });
    expect(parse('/members/%E0%A4%A')).toEqual({ page: 'members', item: undefined });
    expect(parse('/nonsense')).toEqual({ page: 'overview', item: undefined });
  });
});

describe('pictures', () => {
  it('show what lies together as one', () => {
    const at = (name: string, x: number): { name: string; detail: string; isSilent: boolean; x: number; y: number } => ({
      name,
      detail: '',
      isSilent: false,
      x,
      y: 0,
    });
    const found = clusters([at('a', 0), at('b', 5), at('c', 100)], 20);
    expect(found.map((cluster) => cluster.members.map((member) => member.name))).toEqual([['a', 'b'], ['c']]);
  });

  it('keep what stands on rings apart', () => {
    const placed = rings([...Array(200).keys()], 220, 78);
    expect(placed).toHaveLength(200);
    for (const one of placed) {
      const near = placed.filter((other) => other !== one && Math.hypot(other.x - one.x, other.y - one.y) < 70);
      expect(near).toEqual([]);
    }
  });
});

describe('changes', () => {
  const peer = (name: string, rx_bytes = 0): PeerStatus => ({ name, node_id: `id-${name}`, rx_bytes }) as PeerStatus;
  const status = (peers: PeerStatus[]): Status => ({ networks: [{ id: 'n', label: 'home', peers }] }) as unknown as Status;

  it('take the place of what they tell of, and leave the rest', () => {
    const before = status([peer('bob', 1), peer('carol', 1), peer('dave', 1)]);
    const changes = { status: status([peer('carol', 2), peer('alice')]), gone: { n: ['id-dave'] } } as unknown as Changes;
    const peers = merge(before, changes).networks[0]?.peers.map((known) => [known.name, known.rx_bytes]);
    expect(peers).toEqual([
      ['alice', 0],
      ['bob', 1],
      ['carol', 2],
    ]);
  });

  it('of a network that is new hold all of it', () => {
    const changes = { status: status([peer('bob')]), gone: {} } as unknown as Changes;
    expect(merge({ networks: [] } as unknown as Status, changes).networks[0]?.peers).toHaveLength(1);
  });
});
