// Drives the pages in a browser, as the lab around it asks: lines on standard input, one answer each on standard output.
// usage: node e2e/pages.mjs CHROMIUM FOLDER
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const [executablePath, folder] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** How long anything may take to show. */
const PATIENCE = 15_000;
const PAGES = ['overview', 'relays', 'topology', 'members', 'invites', 'certificates', 'names', 'events', 'settings'];

const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
const context = await browser.newContext({ viewport: { width: 1360, height: 900 }, locale: 'en-GB' });
context.setDefaultTimeout(PATIENCE);
const page = await context.newPage();
const problems = [];
page.on('pageerror', (error) => problems.push(String(error)));
page.on('console', (message) => {
  if (message.type() === 'error') {
    problems.push(`${message.text()} (${message.location().url})`);
  }
});

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

async function shot(name) {
  await page.screenshot({ path: path.join(folder, `${name}.png`), fullPage: true });
}

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
      for (const name of PAGES) {
        await to(name);
        await settled();
        await shot(`${name}-${theme}`);
        found.push(...(await violations()).map((violation) => `${name}, ${theme}: ${violation}`));
      }
    }
    await page.setViewportSize({ width: 360, height: 780 });
    for (const name of PAGES) {
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
  async invite(name) {
    await to('invites');
    await page.getByRole('button', { name: 'New invite' }).click();
    await page.getByLabel('Name of the machine').fill(name);
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
