import { decodeQR } from 'qr/decode.js';
import { encode } from 'uqr';
import { describe, expect, it } from 'vitest';
import { faultOf } from '../src/desktop/bridge';
import { site } from '../src/desktop/sites';

describe('sites', () => {
  it('are told without the network that they are in', () => {
    expect(site('home', 'wiki.bob.home.alt.', false)).toEqual({
      network: 'home',
      fqdn: 'wiki.bob.home.alt',
      short: 'wiki.bob',
      isHost: false,
    });
    expect(site('home', 'wiki.bob.work.alt', true).short).toBe('wiki.bob.work.alt');
  });
});

describe('pictures of invites', () => {
  it('are read as the dashboard draws them', () => {
    const invite = `holloway1${'qjmh7kab'.repeat(56)}`;
    const { data: modules, size } = encode(invite, { ecc: 'L', border: 2 });
    const module = 4;
    const side = size * module;
    const data = new Uint8ClampedArray(side * side * 4).fill(255);
    for (let at = 0; at < side * side; at += 1) {
      const [x, y] = [at % side, Math.floor(at / side)];
      if (modules[Math.floor(y / module)]?.[Math.floor(x / module)]) {
        data.fill(0, at * 4, at * 4 + 3);
      }
    }
    expect(decodeQR({ width: side, height: side, data })).toBe(invite);
  });
});

describe('what a command fails with', () => {
  it('has words where the application has a name for it', () => {
    expect(faultOf({ code: 'not_an_invite' })).toEqual({ key: 'desktop.fault.notAnInvite', values: { program: '', said: '' } });
    expect(faultOf({ code: 'program', program: 'xdg-open', said: 'no' })?.values).toEqual({ program: 'xdg-open', said: 'no' });
    expect(faultOf(new Error('other'))).toBeUndefined();
    expect(faultOf({ code: 'daemon' })).toBeUndefined();
  });
});
