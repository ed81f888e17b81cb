// Two machines on one cable: network and mount namespaces that nobody else sees, gone when their processes are. Needs root.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';

/** An ordinary person, who is known on her machine alone. */
export const PERSON = { name: 'ann', uid: 42_424, group: 42_425 };

function childOf({ pid }) {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
}

export class Machine {
  constructor(holder, folder) {
    this.holder = holder;
    // The first process of the machine's own: all others end with it.
    this.pid = childOf(holder);
    this.folder = folder;
    this.started = [];
  }

  /** A machine with files of its own where a daemon writes, in a folder of its own. */
  static async make(folder) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(folder, 'resolv.conf'), 'nameserver 10.78.0.254\n');
    writeFileSync(path.join(folder, 'hosts'), '127.0.0.1 localhost\n');
    for (const file of ['passwd', 'group']) {
      copyFileSync(`/etc/${file}`, path.join(folder, file));
    }
    appendFileSync(path.join(folder, 'passwd'), `${PERSON.name}:x:${PERSON.uid}:${PERSON.uid}::/nonexistent:/bin/sh\n`);
    appendFileSync(path.join(folder, 'group'), `${PERSON.name}:x:${PERSON.uid}:\nholloway:x:${PERSON.group}:${PERSON.name}\n`);
    const script = [
      'set -e',
      'for file in resolv.conf hosts passwd group; do mount --bind "$1/$file" "$(readlink -f /etc/$file)"; done',
      'mount -t tmpfs none /run',
      'mount -t tmpfs none /var/lib',
      'ip link set lo up',
      'echo ready',
      'exec sleep infinity',
    ].join('\n');
    const spaces = ['--net', '--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child', '--mount-proc'];
    const args = [...spaces, 'sh', '-c', script, 'sh', folder];
    const holder = spawn('unshare', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(createInterface({ input: holder.stdout }), 'line');
    return new Machine(holder, folder);
  }

  /** A cable from this machine's network card to another one's. */
  connect(other) {
    // From outside of the machine's processes, where the other one's can be named.
    const cable = ['ip', 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', other.pid];
    execFileSync('nsenter', ['-t', this.pid, '-n', '--', ...cable]);
    [this, other].forEach((machine, number) => {
      machine.run('ip', 'address', 'add', `10.78.0.${number + 1}/24`, 'dev', 'eth0');
      machine.run('ip', 'link', 'set', 'eth0', 'up');
    });
  }

  /** Shows a file or folder to the machine, whoever may reach it outside, and gives where it is. */
  lend(source) {
    const place = path.join(this.folder, 'lent', path.basename(source));
    mkdirSync(path.dirname(place), { recursive: true });
    if (statSync(source).isDirectory()) {
      mkdirSync(place);
    } else {
      writeFileSync(place, '');
    }
    this.run('mount', '--bind', source, place);
    return place;
  }

  inside(words) {
    return ['-t', this.pid, '-n', '-m', '-p', '--', ...words];
  }

  /** Runs a program and gives what it says. */
  run(...words) {
    return execFileSync('nsenter', this.inside(words), { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  }

  /** Starts a program that is ended with the machine. */
  start(words, options) {
    const child = spawn('nsenter', this.inside(words), options);
    this.started.push(child);
    return child;
  }

  /** Ends a program that was started here, without a word. */
  async kill(child) {
    const ended = once(child, 'exit');
    // `nsenter` waits for it outside of the machine's processes.
    process.kill(Number(childOf(child)), 'SIGKILL');
    await ended;
  }

  /** What the machine's daemon says, once it is there. */
  async status(holloway) {
    for (let attempt = 0; attempt < 100; attempt += 1) {
      try {
        return execFileSync('nsenter', this.inside([holloway, 'status', '--json']), { encoding: 'utf8', stdio: 'pipe' });
      } catch {
        await new Promise((go) => setTimeout(go, 100));
      }
    }
    throw new Error('the daemon does not answer');
  }

  async end() {
    const running = [this.holder, ...this.started].filter((child) => child.exitCode === null && child.signalCode === null);
    const ended = running.map((child) => once(child, 'exit'));
    this.holder.kill('SIGKILL');
    await Promise.all(ended);
  }
}
