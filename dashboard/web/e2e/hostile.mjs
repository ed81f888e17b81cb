// What a page of another site tries against the pages, from a browser that has signed in.

/** Paths that tell something. */
const TELLING = ['/api/v1/status', '/api/v1/invites', '/api/v1/stream', '/api/v1/audit', '/api/v1/session', '/metrics'];

/** What changes something. */
const CHANGES = [
  ['POST', '/api/v1/invites', { name: 'intruder' }],
  ['POST', '/api/v1/switch', { on: false }],
  ['POST', '/api/v1/dns', { label: 'intruder', type: 'A', value: '192.0.2.1' }],
  ['POST', '/api/v1/revocations', { target: 'bob' }],
  ['PUT', '/api/v1/accounts/intruder', { role: 'admin', password: 'an intruder is in here' }],
  ['DELETE', '/api/v1/networks/home', undefined],
  ['POST', '/api/v1/down', undefined],
];

/**
 * Tries everything that a script may, from whatever site the page is of; gives what it got to read.
 * @param page Of the other site.
 * @param target The origin of the pages that it is after.
 */
export async function attack(page, target) {
  const got = await page.evaluate(scripts, { target, telling: TELLING, changes: CHANGES });
  for (const [, path, body] of CHANGES) {
    for (const enctype of ['text/plain', 'application/x-www-form-urlencoded']) {
      got.push(...(await submit(page, { action: target + path, enctype, body })));
    }
  }
  return got;
}

/** Has a form sent off into a window of its own, where there is nothing but the refusal. */
async function submit(page, form) {
  const opened = page.context().waitForEvent('page');
  await page.evaluate(({ action, enctype, body }) => {
    const form = Object.assign(document.createElement('form'), { action, enctype, method: 'post', target: '_blank' });
    // As text/plain, name and value make up one JSON document.
    const text = JSON.stringify({ ...body, padding: '=' });
    const [name, value] = text.split('=');
    form.append(Object.assign(document.createElement('input'), { name, value }));
    document.body.append(form);
    form.submit();
  }, form);
  const answer = await opened;
  await answer.waitForURL(form.action);
  const text = await answer.evaluate(() => document.body.innerText);
  await answer.close();
  return text.startsWith('{"schema":1,"error":') ? [] : [`form ${form.action}: ${text}`];
}

/** Runs in the page. */
async function scripts({ target, telling, changes }) {
  const got = [];
  const ended = [];
  /** Waits for the first of these events; the last of them means that something was had. */
  const outcome = (what, source, failure, success) =>
    ended.push(
      new Promise((done) => {
        source.addEventListener(failure, done);
        source.addEventListener(success, () => done(got.push(what)));
      }),
    );

  for (const path of telling) {
    for (const mode of ['cors', 'no-cors']) {
      const read = async () => {
        const response = await fetch(target + path, { mode, credentials: 'include' });
        if (response.ok) {
          got.push(`fetch ${path} (${mode}): ${(await response.text()).slice(0, 80)}`);
        }
      };
      ended.push(read().catch(() => undefined));
    }
  }
  for (const [method, path, body] of changes) {
    const text = JSON.stringify(body);
    for (const type of ['application/json', 'text/plain']) {
      for (const mode of ['cors', 'no-cors']) {
        const write = async () => {
          const response = await fetch(target + path, { method, mode, credentials: 'include', headers: { 'content-type': type }, body: text });
          if (response.ok) {
            got.push(`${method} ${path} (${mode}, ${type})`);
          }
        };
        ended.push(write().catch(() => undefined));
      }
    }
    navigator.sendBeacon(target + path, text);
  }

  for (const path of ['/api/v1/stream', '/']) {
    const socket = new WebSocket(target.replace('http', 'ws') + path);
    outcome(`WebSocket ${path}`, socket, 'error', 'open');
  }
  const events = new EventSource(`${target}/api/v1/stream`, { withCredentials: true });
  outcome('EventSource', events, 'error', 'open');

  for (const [tag, path] of [['script', '/api/v1/status'], ['script', '/api/v1/openapi.json'], ['img', '/api/v1/status']]) {
    const element = Object.assign(document.createElement(tag), { src: target + path });
    outcome(`${tag} ${path}`, element, 'error', 'load');
    document.body.append(element);
  }
  await Promise.all(ended);
  events.close();

  const readable = (what, look) => {
    try {
      got.push(`${what}: ${look()}`);
    } catch {
      // As it should be.
    }
  };
  const frame = Object.assign(document.createElement('iframe'), { src: `${target}/` });
  const framed = new Promise((done) => frame.addEventListener('load', done));
  document.body.append(frame);
  await framed;
  readable('iframe', () => frame.contentWindow.document.title);
  return got;
}
