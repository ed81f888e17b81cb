/** The way to the daemon: over HTTP from a browser, through the desktop application where the pages are inside of it. */
import { Channel, invoke, isTauri } from '@tauri-apps/api/core';

/** Whether these pages are shown by the desktop application. */
export const isDesktop = isTauri();

export interface Answer {
  status: number;
  body: unknown;
  /** Seconds after which it is worth another try, where the daemon says so. */
  retryAfter?: number | undefined;
}

/** What the application says about a daemon that it did not reach. */
interface NotReached {
  code: string;
  error?: { code: string; message: string; hint?: string };
}

/** Asks the daemon; throws where there is no answer at all. A daemon that was not reached has the status 0. */
export async function ask(method: string, path: string, body?: unknown): Promise<Answer> {
  const text = body === undefined ? undefined : JSON.stringify(body);
  return isDesktop ? askApplication(method, path, text) : askServer(method, path, text);
}

async function askServer(method: string, path: string, body: string | undefined): Promise<Answer> {
  const init: RequestInit = { method, credentials: 'same-origin', cache: 'no-store' };
  if (body !== undefined) {
    init.headers = { 'content-type': 'application/json' };
    init.body = body;
  }
  const response = await fetch(`/api/v1/${path}`, init);
  const retryAfter = seconds(response.headers.get('retry-after'));
  return { status: response.status, body: await response.json().catch(() => undefined), retryAfter };
}

function seconds(text: string | null): number | undefined {
  return text !== null && /^\d+$/.test(text) ? Number(text) : undefined;
}

async function askApplication(method: string, path: string, body: string | undefined): Promise<Answer> {
  try {
    const answer = await invoke<{ status: number; body: string }>('api', { method, path, body });
    return { status: answer.status, body: parse(answer.body) };
  } catch (cause) {
    const { code, error } = cause as NotReached;
    return { status: 0, body: { error: error ?? { code, message: code } } };
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What a stream is for whoever follows it. */
export type Stream = Pick<EventSource, 'addEventListener' | 'close'>;

/** Opens the stream of what happens and changes. */
export function openStream(): Stream {
  return isDesktop ? (new Passed() as unknown as Stream) : new EventSource('/api/v1/stream?changes=true');
}

/** The daemon's stream as the application passes it on, in the form of an `EventSource`. */
class Passed extends EventTarget {
  private isClosed = false;

  constructor() {
    super();
    const channel = new Channel<{ kind: string; data: string }>((message) => {
      if (!this.isClosed) {
        const { kind, data } = message;
        this.dispatchEvent(kind === 'end' ? new Event('error') : new MessageEvent(kind, { data }));
      }
    });
    invoke('follow', { channel }).catch(() => this.dispatchEvent(new Event('error')));
  }

  close(): void {
    this.isClosed = true;
  }
}
