// A client of WebDriver (W3C), as small as these tests need it.

const ELEMENT = 'element-6066-11e4-a52e-4f735466cecf';
/** How long anything may take to show. */
const PATIENCE_MS = 20_000;
const LOOK_EVERY_MS = 100;

export const pause = (ms) => new Promise((go) => setTimeout(go, ms));

/** Asks until there is an answer. */
export async function until(what, ask, patience = PATIENCE_MS) {
  const end = Date.now() + patience;
  for (;;) {
    const found = await ask();
    if (found !== undefined && found !== false && found !== null) {
      return found;
    }
    if (Date.now() > end) {
      throw new Error(`waited ${patience} ms in vain for ${what}`);
    }
    await pause(LOOK_EVERY_MS);
  }
}

export class Session {
  constructor(server, id) {
    this.base = `${server}/session/${id}`;
  }

  static async open(server, application, args) {
    const capabilities = { alwaysMatch: { browserName: 'wry', 'tauri:options': { application, args } } };
    const { sessionId } = await call('POST', `${server}/session`, { capabilities });
    return new Session(server, sessionId);
  }

  close() {
    return call('DELETE', this.base);
  }

  /** The text of the page, as it is seen. */
  text() {
    return this.run('return document.body.innerText');
  }

  run(script, ...args) {
    return call('POST', `${this.base}/execute/sync`, { script, args });
  }

  /** Waits until what is there has been drawn, and nothing moves any more. */
  drawn() {
    const script = `const done = arguments[0];
      document.getAnimations().forEach((animation) => animation.finish());
      requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 50)));`;
    return call('POST', `${this.base}/execute/async`, { script, args: [] });
  }

  /** What axe has against the page. */
  async violations(axe, rules) {
    const script = `${axe};
      const done = arguments[1];
      window.axe.run(document, { runOnly: arguments[0] }).then(({ violations }) => done(violations));`;
    const found = await call('POST', `${this.base}/execute/async`, { script, args: [rules] });
    return found.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target.join(' ')).join(', ')}`);
  }

  async find(xpath) {
    const found = await call('POST', `${this.base}/elements`, { using: 'xpath', value: xpath });
    return found[0]?.[ELEMENT];
  }

  see(xpath) {
    return until(xpath, () => this.find(xpath));
  }

  says(text) {
    return until(`"${text}"`, async () => (await this.text()).includes(text));
  }

  async click(xpath) {
    const element = await this.see(xpath);
    await call('POST', `${this.base}/element/${element}/click`, {});
  }

  press(name) {
    return this.click(`//button[normalize-space()=${JSON.stringify(name)} and not(@disabled)]`);
  }

  async type(xpath, text) {
    const element = await this.see(xpath);
    await call('POST', `${this.base}/element/${element}/clear`, {});
    await call('POST', `${this.base}/element/${element}/value`, { text });
  }

  /** Gives a file to the field for files. */
  async choose(xpath, file) {
    await call('POST', `${this.base}/element/${await this.see(xpath)}/value`, { text: file });
  }

  /** Picks from a list. */
  async pick(xpath, number) {
    const element = { [ELEMENT]: await this.see(xpath) };
    await this.run("arguments[0].selectedIndex = arguments[1]; arguments[0].dispatchEvent(new Event('change', { bubbles: true }))", element, number);
  }

  resize(width, height) {
    return call('POST', `${this.base}/window/rect`, { width, height });
  }

  /** A picture, as PNG. */
  async picture() {
    return Buffer.from(await call('GET', `${this.base}/screenshot`), 'base64');
  }
}

async function call(method, url, body) {
  const init = { method, headers: { 'content-type': 'application/json' } };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
  }
  const response = await fetch(url, init);
  const { value } = await response.json();
  if (!response.ok) {
    throw new Error(`${method} ${new URL(url).pathname}: ${value.error}: ${value.message}`);
  }
  return value;
}
