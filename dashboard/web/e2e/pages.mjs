// Drives the pages in a browser, as the lab around it asks: lines on standard input, one answer each on standard output.
// usage: node e2e/pages.mjs CHROMIUM FOLDER
import { createHash, createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';
import { attack } from './hostile.mjs';

const [executablePath, folder] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** How long anything may take to show. */
const PATIENCE = 15_000;

const browser = await chromium.launch({
  executablePath,
  // Newer browsers keep other sites away from loopback addresses by themselves. Not all do: the pages have to.
  args: ['--no-sandbox', '--disable-gpu', '--ip-address-space-overrides=127.0.0.1:42080=public'],
});
const context = await browser.newContext({
  viewport: { width: 1360, height: 900 },
  locale: 'en-GB',
  // A certificate of one's own is known by its fingerprint, which is looked at.
  ignoreHTTPSErrors: true,
});
context.setDefaultTimeout(PATIENCE);
const page = await context.newPage();
const problems = [];
page.on('pageerror', (error) => problems.push(String(error)));
page.on('console', (message) => {
  if (message.type() === 'error') {
    problems.push(`${message.text()} (${message.location().url})`);
  }
});

/** What the navigation leads to. */
async function pages() {
  const links = page.getByRole('navigation').getByRole('link');
  return await links.evaluateAll((all) => all.map((link) => link.pathname.slice(1) || 'overview'));
}

async function to(name) {
  await page.getByRole('navigation').getByRole('link', { name: new RegExp(`^${name}`, 'i') }).click();
  await page.getByRole('heading', { level: 1, name: new RegExp(name, 'i') }).waitFor();
}

/** Requests under way, but for the stream, which never ends; and who waits for the last of them. */
const underWay = new Set();
const waiting = [];
page.on('request', (request) => request.resourceType() === 'eventsource' || underWay.add(request));
for (const end of ['requestfinished', 'requestfailed']) {
  page.on(end, (request) => {
    underWay.delete(request);
    if (underWay.size === 0) {
      waiting.splice(0).forEach((go) => go());
    }
  });
}

/** Waits until all that was asked for is there and drawn, and what follows from it, and nothing moves any more. */
async function settled() {
  do {
    if (underWay.size > 0) {
      await new Promise((go) => waiting.push(go));
    }
    await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
  } while (underWay.size > 0);
  await page.evaluate(() => Promise.allSettled(document.getAnimations().map((animation) => animation.finished)));
}

async function violations() {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() =>
    window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] }),
  );
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target.join(' ')).join(', ')}`);
}

/** Does what is to be refused: a browser tells of that as of a problem, which this is not. */
async function refused(deed) {
  const before = problems.length;
  await deed();
  problems.splice(before, Infinity, ...problems.slice(before).filter((problem) => !/\b(401|403|429)\b/.test(problem)));
}

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const STEP_S = 30;

/** The code of a secret (RFC 6238) in the half minute that is so many after this one. */
function totp(secret, later) {
  const bits = [...secret].map((letter) => BASE32.indexOf(letter).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 1000 / STEP_S) + later));
  const mac = createHmac('sha1', key).update(counter).digest();
  const number = mac.readUInt32BE(mac.at(-1) & 0xf) & 0x7fff_ffff;
  return String(number % 1_000_000).padStart(6, '0');
}

async function shot(name) {
  await page.screenshot({ path: path.join(folder, `${name}.png`), fullPage: true });
}

/** A page of another site, in the same browser. */
let other;

const verbs = {
  async open(url) {
    await page.goto(url);
    await page.getByText('Live', { exact: true }).waitFor();
  },

  /** Every page in both themes, and on a small screen: what axe has against them. */
  async look() {
    const found = [];
    for (const theme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme: theme });
      for (const name of await pages()) {
        await to(name);
        await settled();
        await shot(`${name}-${theme}`);
        found.push(...(await violations()).map((violation) => `${name}, ${theme}: ${violation}`));
      }
    }
    await page.setViewportSize({ width: 360, height: 780 });
    for (const name of await pages()) {
      await to(name);
      await settled();
      await shot(`${name}-small`);
      const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (over > 0) {
        found.push(`${name}: ${over} pixels wider than a small screen`);
      }
    }
    await page.setViewportSize({ width: 1360, height: 900 });
    return found;
  },

  /** Makes an invite, and gives it; the dialog stays open. */
  async invite(name, ...wishes) {
    await to('invites');
    await page.getByRole('button', { name: 'New invite' }).click();
    await page.getByLabel('Name of the machine').fill(name);
    if (wishes.includes('approval')) {
      await page.getByLabel('Wait for my approval').check();
    }
    await page.getByRole('button', { name: 'Make the invite' }).click();
    await page.getByRole('img', { name: 'The invite as a QR code' }).waitFor();
    const found = await violations();
    await shot('invite');
    const command = await page.getByRole('dialog').locator('code').textContent();
    return { token: command.replace('holloway join ', ''), found };
  },

  /** Waits until who was invited is there, without loading anything anew. */
  async joined(name) {
    await page.getByRole('link', { name: `${name} has joined.` }).click();
    await page.getByRole('heading', { level: 1, name }).waitFor();
    await settled();
    await shot('member');
    return await violations();
  },

  /** Waits until a machine waits to be approved, and lets it in. */
  async approve(name) {
    await page.getByRole('dialog').getByRole('button', { name: 'Close' }).click();
    const row = page.getByRole('row').filter({ hasText: `${name} waits` });
    await row.getByRole('button', { name: 'Approve…' }).click();
    await settled();
    await shot('approve');
    const found = await violations();
    await page.getByRole('button', { name: 'Let it in' }).click();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await page.getByRole('row').filter({ hasText: `used by ${name}` }).waitFor();
    return found;
  },

  async revoke(name) {
    await to('members');
    await page.getByRole('link', { name, exact: true }).click();
    await page.getByRole('button', { name: 'Revoke…' }).click();
    await page.getByLabel(`Type ${name} to confirm`).fill(name);
    await shot('revoke');
    const found = await violations();
    await page.getByRole('button', { name: 'Revoke for everyone' }).click();
    await page.getByRole('heading', { level: 1, name: 'Members' }).waitFor();
    await page.getByRole('link', { name, exact: true }).waitFor({ state: 'detached' });
    return found;
  },

  /** Shows the relays, and waits until one is as told. */
  async relay(name, standing) {
    await to('relays');
    await page.getByRole('row', { name: new RegExp(`^${name} ${standing}`) }).waitFor();
    await shot(`relay-${standing.replaceAll(' ', '-')}`);
  },

  /** Draws what was recorded of a relay, and looks at a part of it, which is asked for anew. */
  async history(name) {
    await to('relays');
    await page.getByRole('link', { name, exact: true }).click();
    const chart = page.locator('.u-over').first();
    await chart.waitFor();
    await settled();
    const asked = page.waitForRequest((request) => request.url().includes('/history?'));
    const { x, y, width } = await chart.boundingBox();
    await page.mouse.move(x + width * 0.6, y + 40);
    await page.mouse.down();
    await page.mouse.move(x + width * 0.9, y + 50, { steps: 4 });
    await page.mouse.up();
    await asked;
    await settled();
    await shot('history');
    const found = await violations();
    await page.getByRole('button', { name: 'Earlier' }).focus();
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: '24 h', pressed: true }).waitFor();
    return found;
  },

  /** Waits until a connection to a member is told, on the page of all and on the member's own. */
  async connection(name) {
    await to('connections');
    await page.getByRole('table', { name: 'Connections' }).getByRole('link', { name, exact: true }).first().click();
    await page.getByRole('heading', { level: 1, name }).waitFor();
    await page.getByRole('table', { name: 'Connections' }).getByRole('row').nth(1).waitFor();
    await settled();
    await shot('connection');
    return await violations();
  },

  /** Handles the newest security event with a note, and opens it again. */
  async handle(note) {
    await to('security');
    await page.getByRole('button', { name: 'Handle…' }).first().click();
    await page.getByLabel('Note').fill(note);
    await shot('handle');
    const found = await violations();
    await page.getByRole('button', { name: 'It is handled' }).click();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await page.getByLabel('Filter').selectOption({ label: 'All' });
    const row = page.getByRole('row').filter({ hasText: note });
    await row.getByRole('button', { name: 'Open again' }).click();
    await row.waitFor({ state: 'detached' });
    return found;
  },

  /** Waits until the audit tells of something that an account did. */
  async audited(who, action) {
    await to('audit');
    const row = page.getByRole('row').filter({ hasText: who }).filter({ hasText: action });
    while ((await row.count()) === 0) {
      await page.getByRole('button', { name: 'Look again' }).click();
      await settled();
    }
    await shot('audited');
  },

  /** Publishes a name, sees the link to it, and withdraws it. */
  async name(label) {
    await to('names');
    await page.getByRole('button', { name: 'Add a name' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('textbox', { name: 'Name' }).fill(label);
    const found = await violations();
    await dialog.getByRole('button', { name: 'Add a name' }).click();
    await page.getByRole('link', { name: new RegExp(`^${label}\\.`) }).waitFor();
    await shot('name');
    await page.getByRole('button', { name: new RegExp(`^Remove ${label}\\.`) }).click();
    await page.getByRole('link', { name: new RegExp(`^${label}\\.`) }).waitFor({ state: 'detached' });
    return found;
  },

  /** Makes an account. */
  async account(name, password, role) {
    await to('settings');
    await page.getByRole('button', { name: 'New account' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name').fill(name);
    await dialog.getByLabel('Password').fill(password);
    await dialog.getByLabel('Role').selectOption(role);
    await shot('account');
    const found = await violations();
    await dialog.getByRole('button', { name: 'New account' }).click();
    await page.getByRole('button', { name: `Change ${name}` }).waitFor();
    return found;
  },

  /** Takes an account away. */
  async unaccount(name) {
    await to('settings');
    await page.getByRole('button', { name: `Remove ${name}` }).click();
    await page.getByLabel(`Type ${name} to confirm`).fill(name);
    await shot('unaccount');
    const found = await violations();
    await page.getByRole('button', { name: 'Remove the account' }).click();
    await page.getByRole('button', { name: `Change ${name}` }).waitFor({ state: 'detached' });
    return found;
  },

  /** Signs out, and in again with an account: by a wrong password first, and with a code where there is a secret for it. */
  async signIn(name, password, secret) {
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('Name').fill(name);
    await page.getByLabel('Password').fill('not the password');
    await refused(async () => {
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.getByRole('alert').filter({ hasText: 'do not fit together' }).waitFor();
    });
    await shot('sign-in');
    const found = await violations();
    await page.getByLabel('Password').fill(password);
    await refused(async () => {
      await page.getByRole('button', { name: 'Sign in' }).click();
      if (secret !== undefined) {
        // That of this half minute was used when the secret was confirmed, and holds once.
        await page.getByLabel('Six-digit code').fill(totp(secret, 1));
        await shot('sign-in-code');
        found.push(...(await violations()));
        await page.getByRole('button', { name: 'Sign in' }).click();
      }
      await page.getByText('Live', { exact: true }).waitFor();
    });
    return found;
  },

  /** Has one's own account asked for codes, and gives the secret. */
  async codes() {
    await to('settings');
    await page.getByRole('button', { name: 'Ask for a code, too' }).click();
    await page.getByRole('img', { name: 'QR code' }).waitFor();
    const found = await violations();
    await shot('codes');
    const secret = await page.getByRole('dialog').locator('code').textContent();
    await page.getByLabel('Six-digit code').fill(totp(secret, 0));
    await page.getByRole('button', { name: 'Confirm' }).click();
    await page.getByRole('button', { name: 'Ask for codes no more' }).waitFor();
    return { secret, found };
  },

  async password(old, wanted) {
    await to('settings');
    await page.getByRole('button', { name: 'Change the password' }).click();
    await page.getByLabel('Password until now').fill(old);
    await page.getByLabel('New password').fill(wanted);
    await shot('password');
    const found = await violations();
    await page.getByRole('dialog').getByRole('button', { name: 'Change the password' }).click();
    await page.getByText('The password is changed.').waitFor();
    return found;
  },

  /** Switches the networks off, and on again. */
  async switch() {
    await to('overview');
    await page.getByRole('button', { name: 'Switch off' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Switch off' }).click();
    const on = page.getByRole('button', { name: 'Switch on' });
    await on.waitFor();
    await settled();
    await shot('off');
    const found = await violations();
    await on.click();
    await on.waitFor({ state: 'detached' });
    return found;
  },

  /** Shows a page of another site beside the pages, which stay signed in. */
  async visit(url) {
    other = await context.newPage();
    await other.goto(url);
  },

  /** Has that other page try all it can against an origin: what it got to read, and what its requests were answered. */
  async attack(target) {
    const asked = new Map();
    const statuses = new Map();
    // What came over the wire: the page itself is told of nothing but failures.
    const session = await context.newCDPSession(other);
    session.on('Network.requestWillBeSent', ({ requestId, request: { method, url } }) => {
      const { origin, pathname } = new URL(url);
      if (origin === target) {
        asked.set(requestId, `${method} ${pathname}`);
      }
    });
    session.on('Network.responseReceivedExtraInfo', ({ requestId, statusCode }) => {
      // It may be told before the request is.
      statuses.set(requestId, statusCode);
    });
    await session.send('Network.enable');
    const got = await attack(other, target);
    const answers = [...asked].filter(([id]) => statuses.has(id)).map(([id, request]) => `${request} ${statuses.get(id)}`);
    return { got, answers: [...new Set(answers)].sort() };
  },

  /** Waits until the other page's own name leads to somebody else. */
  async turned() {
    await other.evaluate(async () => {
      const isStillThere = async () => (await fetch('/?', { cache: 'no-store' })).headers.has('x-site');
      while (await isStillThere());
    });
  },

  /** Shows every page, and waits on one for a text of others; gives what became of the markup in it. */
  async strangeText(where, text, forbidden) {
    const found = [];
    for (const name of await pages()) {
      await to(name);
      await settled();
      if (name === where) {
        await page.getByText(text).first().waitFor();
        await shot(`strange-${name}`);
      }
      const count = await page.locator(forbidden).count();
      if (count > 0) {
        found.push(`${name}: ${count} of ${forbidden}`);
      }
    }
    return found;
  },

  /** The SHA-256 of the certificate that the pages come with. */
  async fingerprint() {
    const session = await context.newCDPSession(page);
    const seen = new Promise((seen) => session.once('Security.visibleSecurityStateChanged', seen));
    await session.send('Security.enable');
    const { visibleSecurityState } = await seen;
    const [own] = visibleSecurityState.certificateSecurityState.certificate;
    return createHash('sha256').update(Buffer.from(own, 'base64')).digest('hex');
  },

  /** What went wrong in the browser since the last time. */
  async problems() {
    return problems.splice(0);
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const [verb, ...words] = JSON.parse(line);
  const begun = Date.now();
  try {
    const answer = await verbs[verb](...words);
    console.log(JSON.stringify({ ok: answer ?? null, took_ms: Date.now() - begun }));
  } catch (error) {
    await shot('failure').catch(() => undefined);
    console.log(JSON.stringify({ error: String(error) }));
  }
}
await browser.close();
