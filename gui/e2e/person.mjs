// What somebody does who has just got an invite, as an ordinary user, in a desktop of her own.
// usage: node person.mjs APPLICATION TAURI_DRIVER FOLDER WEB, with the invite in the environment
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { pictureOf } from './qr.mjs';
import { Session, until } from './webdriver.mjs';

const [application, driver, pictures, web] = process.argv.slice(2);
const { HOME: home, INVITE: invite } = process.env;
const PORT = 4444;
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const children = [];

function start(program, args, options) {
  const child = spawn(program, args, options);
  children.push(child);
  return child;
}

/** Asks for something that happens around her. */
async function ask(verb) {
  console.log(`ask ${verb}`);
  await lines.next();
}

/** What the desktop was asked to notify her of. */
let heard = '';

async function desktop() {
  const monitor = start('dbus-monitor', ['--session', "interface='org.freedesktop.Notifications'"], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  monitor.stdout.on('data', (data) => (heard += data));
  const screen = start('Xvfb', ['-displayfd', '3', '-screen', '0', '1280x900x24', '-nolisten', 'tcp'], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  });
  const [number] = await once(screen.stdio[3], 'data');
  process.env.DISPLAY = `:${String(number).trim()}`;
  delete process.env.INVITE;
  start(driver, ['--port', String(PORT), '--native-port', String(PORT + 1)], { stdio: ['ignore', 'ignore', 'inherit'] });
  const server = `http://127.0.0.1:${PORT}`;
  await until('the driver', () => fetch(`${server}/status`).then(() => true, () => false));
  return server;
}

const axe = readFileSync(path.join(web, 'node_modules/axe-core/axe.min.js'), 'utf8');
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
let begun = Date.now();
let step = 0;
/** What is wrong, but no reason to stop. */
const wrong = [];

async function shown(window, name) {
  step += 1;
  await window.drawn();
  const found = await window.violations(axe, RULES);
  wrong.push(...found.map((violation) => `${name}: ${violation}`));
  writeFileSync(path.join(pictures, `${String(step).padStart(2, '0')}-${name}.png`), await window.picture());
  console.log(`✓ ${((Date.now() - begun) / 1000).toFixed(2).padStart(6)} s  ${name.replaceAll('-', ' ')}`);
  begun = Date.now();
}

const INVITE_FIELD = '//textarea';

async function newcomer(window) {
  await window.says('A private internet');
  await shown(window, 'the-wizard-says-what-it-is');
  await window.press('Go on');
  await window.says('The daemon is not running');
  await shown(window, 'there-is-no-daemon-yet');
  await ask('daemon');
  await window.says('Which network?');
  await shown(window, 'the-wizard-goes-on-when-there-is-one');

  await window.type(INVITE_FIELD, 'javascript:alert(1)');
  await window.says('This is not an invite.');
  await shown(window, 'a-script-is-refused-as-text');
  const picture = path.join(home, 'invite.bmp');
  writeFileSync(picture, pictureOf(invite, web));
  await window.choose('//input[@type="file"]', picture);
  await window.says('This is an invite.');
  await shown(window, 'an-invite-is-read-from-a-picture');
  await window.type(INVITE_FIELD, 'x');
  await window.says('This is not an invite.');
  await window.type(INVITE_FIELD, `${invite.slice(0, 40)}\n  ${invite.slice(40)}`);
  await window.says('This is an invite.');
  await shown(window, 'an-invite-is-read');
  await window.press('Join');
  await window.says('Whoever made the invite has to approve of this machine.');
  await shown(window, 'waiting-to-be-approved');
  await ask('approve');
  await window.says('This machine is in home now, as bob.home.alt.');
  await shown(window, 'joined');
}

async function member(window) {
  const knob = (on) => `//*[@role="switch" and @aria-checked="${on}" and @aria-busy="false"]`;
  await window.see(knob(true));
  await window.press('To the start page');
  await window.see('//table//th[@scope="row" and contains(., "alice")]');
  await window.says('1 of 1 member online');
  await window.see('//tr[contains(., "alice")]//td[contains(., "ms")]');
  await shown(window, 'the-start-page-has-the-members');

  await window.click('//button[contains(., "alice.home.alt")]');
  await until('the browser', () => existsSync(path.join(home, 'opened')));
  const [opened, page] = ['opened', 'page'].map((file) => readFileSync(path.join(home, file), 'utf8').trim());
  if (!/^http:\/\/(wiki\.)?alice\.home\.alt\/$/.test(opened) || page !== 'Hello from Alice') {
    throw new Error(`the browser opened ${opened} and got "${page}"`);
  }
  await shown(window, 'a-site-was-opened-in-the-browser');

  await window.click(knob(true));
  await window.see(knob(false));
  await window.says('Holloway is off');
  await shown(window, 'switched-off');
  await window.click(knob(false));
  await window.see(knob(true));
  await window.says('1 of 1 member online');
  await shown(window, 'switched-on-again');
}

/** What a script could do that had got into the pages. */
async function intruder(window) {
  const refusal = (code) => window.run(`return ${code}.then(() => 'done', (error) => 'refused')`);
  const call = (words) => refusal(`window.__TAURI_INTERNALS__.invoke(${words})`);
  const tried = {
    'leave the pages': await window.run("location.href = 'https://example.org/'; window.open('https://example.org/'); return 'refused'"),
    'stop the daemon': await call("'api', { method: 'POST', path: 'down' }"),
    'sign in a browser': await call("'api', { method: 'POST', path: 'dashboard' }"),
    'step out of the API': await call("'api', { method: 'GET', path: '../../metrics' }"),
    'open a page of the internet': await call("'open_site', { name: 'example.org' }"),
    'open a file': await call("'open_site', { name: 'file:///etc/passwd#.alt' }"),
    'use a plugin': await call("'plugin:autostart|enable'"),
    'listen to events': await call("'plugin:event|listen', { event: 'x', target: { kind: 'Any' }, handler: 1 }"),
    'ask the network': await refusal("fetch('http://127.0.0.1:42080/')"),
    'evaluate a text': await window.run("try { return (0, eval)('\"done\"'); } catch { return 'refused'; }"),
  };
  const done = Object.entries(tried).filter(([, outcome]) => outcome !== 'refused');
  const address = await window.run('return String(location)');
  if (done.length > 0 || !address.startsWith('tauri://localhost')) {
    throw new Error(`at ${address}, this was not refused: ${JSON.stringify(done)}`);
  }
  await shown(window, 'a-script-in-the-pages-gets-nowhere');
}

async function owner(window) {
  const again = start(application, ['holloway:javascript:alert(1)'], { stdio: 'ignore' });
  await once(again, 'exit');
  await window.says('This is not an invite.');
  await window.press('Close');
  const linked = start(application, [`holloway:${invite}`], { stdio: 'ignore' });
  await once(linked, 'exit');
  await window.says('This is an invite.');
  await shown(window, 'a-link-opens-the-window-that-is-there');
  await window.press('Close');

  await window.press('Settings');
  await window.click('//label[contains(., "Start with the desktop")]');
  await until('the autostart file', () => existsSync(path.join(home, '.config/autostart')));
  await shown(window, 'settings');
  await window.pick('//select[option[@lang]]', 1);
  await window.pick('//select[not(option[@lang])]', 2);
  await window.press('Schließen');
  await shown(window, 'in-german-and-dark');
  await window.resize(420, 760);
  await shown(window, 'in-a-small-window');
  const over = await window.run('return document.documentElement.scrollWidth - innerWidth');
  if (over > 0) {
    wrong.push(`${over} pixels wider than a small window`);
  }
  await window.resize(1080, 760);
  await window.press('Einstellungen');
  await window.pick('//select[option[@lang]]', 0);
  await window.pick('//select[not(option[@lang])]', 0);
  await window.press('Close');

  await window.press('All pages');
  await window.see('//nav//a[contains(., "Members")]');
  await shown(window, 'the-other-pages');
  await window.press('← Start page');

  await ask('kill');
  await window.says('The daemon is not running');
  await shown(window, 'the-daemon-is-gone');
  await until('the notification', () => heard.includes('The daemon is not running'));
  await ask('forbid');
  await window.says('You may not use the daemon yet');
  await window.says('sudo usermod -aG holloway ann');
  await shown(window, 'the-daemon-may-not-be-used');
  await ask('daemon');
  await window.says('1 of 1 member online');
  await shown(window, 'it-is-back');
}

let code = 1;
try {
  const server = await desktop();
  const asked = Date.now();
  const window = await Session.open(server, application, []);
  await window.see('//h1');
  console.log(`the window shows its first page after ${Date.now() - asked} ms`);
  begun = Date.now();
  try {
    await newcomer(window);
    await member(window);
    await intruder(window);
    await owner(window);
    wrong.forEach((what) => console.log(`✗ ${what}`));
    code = wrong.length === 0 ? 0 : 1;
  } catch (error) {
    writeFileSync(path.join(pictures, 'failure.png'), await window.picture());
    console.log(await window.text());
    throw error;
  } finally {
    await window.close();
  }
} catch (error) {
  console.log(`✗ ${error.stack}`);
}
for (const child of children.reverse()) {
  child.kill();
}
process.exit(code);
