// The whole way of somebody new: an application without a daemon, the wizard, an invite and its approval, the switch, a site,
// and off again.
// Makes a lab around it, so it needs root; the application runs as an ordinary person in it.
// usage: node e2e/desktop.mjs HOLLOWAY HOLLOWAY_GUI TAURI_DRIVER [FOLDER FOR PICTURES]
import { once } from 'node:events';
import { chmodSync, chownSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { Machine, PERSON } from './lab.mjs';

const [holloway, application, driver, kept] = process.argv.slice(2).map((given) => path.resolve(given));
const root = mkdtempSync(path.join(os.tmpdir(), 'holloway-gui-'));
chmodSync(root, 0o755);
const pictures = path.join(root, 'pictures');
const home = path.join(root, 'home');
for (const folder of [pictures, home]) {
  mkdirSync(folder, { recursive: true });
  chownSync(folder, PERSON.uid, PERSON.uid);
}

const alice = await Machine.make(path.join(root, 'alice'));
const bob = await Machine.make(path.join(root, 'bob'));
let daemon;

function startDaemon() {
  const quiet = process.env.HOLLOWAY_LOUD === undefined ? 'ignore' : 'inherit';
  daemon = bob.start([holloway, 'up'], { stdio: ['ignore', quiet, quiet] });
}

/** What the person's script may ask for: things that happen around her. */
const verbs = {
  daemon: startDaemon,
  kill: () => bob.kill(daemon),
  approve: () => {
    const [{ id }] = JSON.parse(alice.run(holloway, 'invites', '--json')).invites;
    alice.run(holloway, 'invite', 'approve', id);
  },
  forbid: () => bob.run('chmod', '0700', '/run/holloway'),
};

async function stage() {
  alice.connect(bob);
  alice.run(holloway, 'create', 'home', '--name', 'alice');
  alice.start([holloway, 'up'], { stdio: 'ignore' });
  const address = JSON.parse(await alice.status(holloway)).networks[0].address;
  const page = `require('http').createServer((q, a) => a.end('Hello from Alice')).listen(80, '${address}', () => console.log('ready'))`;
  const server = alice.start([process.execPath, '-e', page], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(server.stdout, 'data');
  alice.run(holloway, 'dns', 'add', 'wiki', 'AAAA', address);
  return alice.run(holloway, 'invite', '--name', 'bob', '--approval').trim();
}

async function act(invite) {
  const web = bob.lend(path.join(import.meta.dirname, '../../dashboard/web'));
  const script = path.join(bob.lend(import.meta.dirname), 'person.mjs');
  const words = [bob.lend(process.execPath), script, bob.lend(application), bob.lend(driver), pictures, web];
  const dropped = ['setpriv', `--reuid=${PERSON.uid}`, `--regid=${PERSON.uid}`, `--groups=${PERSON.group}`, '--no-new-privs'];
  const person = bob.start([...dropped, 'env', '-C', home, '-i', ...environment(invite), 'dbus-run-session', '--', ...words], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  for await (const line of createInterface({ input: person.stdout })) {
    const asked = /^ask (\w+)$/.exec(line)?.[1];
    if (asked === undefined) {
      console.log(line);
    } else {
      await verbs[asked]();
      person.stdin.write('done\n');
    }
  }
  if (person.exitCode === null) {
    await once(person, 'exit');
  }
  return person.exitCode;
}

function environment(invite) {
  const runtime = path.join(root, 'runtime');
  mkdirSync(runtime, { mode: 0o700 });
  chownSync(runtime, PERSON.uid, PERSON.uid);
  chooseBrowser();
  const set = { HOME: home, USER: PERSON.name, XDG_RUNTIME_DIR: runtime, INVITE: invite };
  Object.assign(set, { PATH: '/usr/local/bin:/usr/bin:/bin', LANG: 'en_GB.UTF-8' });
  return Object.entries(set).map(([name, value]) => `${name}=${value}`);
}

/** Her browser keeps what it was asked for and what it got. */
function chooseBrowser() {
  const browser = path.join(root, 'browser');
  writeFileSync(browser, `#!/bin/sh\ncurl --silent --max-time 10 "$1" > '${home}/page'\necho "$1" > '${home}/opened'\n`);
  chmodSync(browser, 0o755);
  const applications = path.join(home, '.local/share/applications');
  mkdirSync(applications, { recursive: true });
  const entry = ['[Desktop Entry]', 'Type=Application', 'Name=Browser', `Exec=${browser} %u`, 'MimeType=x-scheme-handler/http;'];
  writeFileSync(path.join(applications, 'browser.desktop'), `${entry.join('\n')}\n`);
  writeFileSync(path.join(applications, 'mimeapps.list'), '[Default Applications]\nx-scheme-handler/http=browser.desktop\n');
  for (const folder of ['.local', '.local/share', '.local/share/applications']) {
    chownSync(path.join(home, folder), PERSON.uid, PERSON.uid);
  }
}

let code = 1;
try {
  code = await act(await stage());
} finally {
  await Promise.all([alice.end(), bob.end()]);
  if (kept !== undefined) {
    cpSync(pictures, kept, { recursive: true });
  }
  rmSync(root, { recursive: true, force: true });
}
process.exitCode = code;
