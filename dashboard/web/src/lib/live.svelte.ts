/** What the daemon says now, kept up to date by its stream: nothing here asks from time to time. */
import { api, Refused } from './api';
import { merge } from './merge';
import { isDesktop, openStream, type Stream } from './transport';
import type { Changes, Event, NetworkStatus, Relays, Session, Status } from './schema.gen';

/** How many events are held for the pages. */
const EVENTS_MAX = 500;
/** How many seconds of throughput are held for the charts. */
const SAMPLES_MAX = 600;
/** Without changes for so long, nothing passes. */
const QUIET_MS = 1500;
/** How long a lost stream waits before it is opened again, and at most. */
const RETRY_MS = 1000;
const RETRY_MAX_MS = isDesktop ? 2000 : 15_000;

export type Connection = 'connecting' | 'live' | 'lost';

/** Bytes a second, at a moment. */
export interface Sample {
  at: number;
  received: number;
  sent: number;
}

/** Each of these is replaced as a whole: a thousand members are not watched one by one. */
class Live {
  session: Session | null | undefined = $state.raw();
  connection: Connection = $state.raw('connecting');
  status: Status | undefined = $state.raw();
  relays: Relays | undefined = $state.raw();
  events: Event[] = $state.raw([]);
  samples: Sample[] = $state.raw([]);
  rates: Record<string, Sample> = $state.raw({});
  network: string | undefined = $state.raw();
  /** Security events that nobody has handled, as far as a page has asked. */
  openEvents: number | undefined = $state.raw();
  /** Why the daemon was not reached, the last time that it was not. */
  trouble: unknown = $state.raw();
}

export const live = new Live();

/** The network that is looked at. */
export function network(): NetworkStatus | undefined {
  const networks = live.status?.networks ?? [];
  return networks.find((known) => known.label === live.network) ?? networks[0];
}

/** Signs in with the link in the address, if there is one, and finds out who is signed in. */
export async function begin(): Promise<void> {
  if (isDesktop) {
    return live.session === undefined ? again() : undefined;
  }
  const link = new URLSearchParams(location.hash.slice(1)).get('sign-in');
  if (link !== null) {
    history.replaceState(null, '', location.pathname);
  }
  try {
    live.session = link === null ? await api.session() : await api.signIn(link).catch(() => api.session());
  } catch (error) {
    if (!(error instanceof Refused)) {
      throw error;
    }
    live.session = null;
  }
  if (live.session) {
    follow();
  }
}

/** Signs in with an account. */
export async function signInAs(name: string, password: string, code?: string): Promise<void> {
  live.session = await api.signInAs(name, password, code);
  follow();
}

/** Switches the networks of this machine on or off. */
export async function switchNetworks(on: boolean): Promise<void> {
  await api.switch(on);
  await load();
}

let source: Stream | undefined;
let retry = RETRY_MS;
let waiting: ReturnType<typeof setTimeout> | undefined;

/** Follows the daemon until the session is over. */
function follow(): void {
  source?.close();
  const stream = openStream();
  source = stream;
  stream.addEventListener('open', () => void opened());
  stream.addEventListener('event', (message) => happened(JSON.parse(message.data) as Event));
  stream.addEventListener('changes', (message) => changed(JSON.parse(message.data) as Changes));
  stream.addEventListener('missed', () => void load());
  stream.addEventListener('error', () => {
    stream.close();
    live.connection = 'lost';
    later();
  });
}

function later(): void {
  clearTimeout(waiting);
  waiting = setTimeout(() => void again(), retry);
  retry = Math.min(retry * 2, RETRY_MAX_MS);
}

/** Looks for the daemon until it is there. */
export async function again(): Promise<void> {
  try {
    live.session = await api.session();
    live.trouble = undefined;
    follow();
  } catch (error) {
    live.trouble = error;
    if (error instanceof Refused && error.status === 401) {
      live.session = null;
    } else {
      later();
    }
  }
}

async function opened(): Promise<void> {
  retry = RETRY_MS;
  await load();
  live.connection = 'live';
}

/** Gets all there is: what follows is what changes of it. */
async function load(): Promise<void> {
  const [status, relays, events] = await Promise.all([api.status(), api.relays(), api.events(undefined, EVENTS_MAX)]);
  live.status = status;
  live.relays = relays;
  live.events = events.events.toReversed();
}

function happened(event: Event): void {
  if (live.events[0] === undefined || event.id > live.events[0].id) {
    live.events = [event, ...live.events].slice(0, EVENTS_MAX);
  }
}

function changed(changes: Changes): void {
  if (live.status === undefined) {
    return;
  }
  const before = live.status;
  measure(before, changes);
  live.status = merge(before, changes);
  if (changes.relays) {
    live.relays = changes.relays;
  }
}

let measured = 0;

// Nothing is told while nothing passes; the chart goes on.
setInterval(() => {
  if (live.connection === 'live' && Date.now() - measured > QUIET_MS) {
    measured = Date.now();
    live.rates = {};
    sample({ at: measured, received: 0, sent: 0 });
  }
}, 1000);

function sample(one: Sample): void {
  live.samples = [...live.samples, one].slice(-SAMPLES_MAX);
}

/** Rates from the bytes that have passed since the last changes. */
function measure(before: Status, changes: Changes): void {
  const now = Date.now();
  const seconds = measured === 0 ? 1 : Math.max((now - measured) / 1000, 0.25);
  measured = now;
  const rates: Record<string, Sample> = {};
  const total: Sample = { at: now, received: 0, sent: 0 };
  for (const network of changes.status.networks) {
    const held = new Map(before.networks.find((known) => known.id === network.id)?.peers.map((peer) => [peer.node_id, peer]));
    for (const peer of network.peers) {
      const past = held.get(peer.node_id);
      if (past !== undefined) {
        const rate = {
          at: now,
          received: Math.max(peer.rx_bytes - past.rx_bytes, 0) / seconds,
          sent: Math.max(peer.tx_bytes - past.tx_bytes, 0) / seconds,
        };
        rates[peer.node_id] = rate;
        total.received += rate.received;
        total.sent += rate.sent;
      }
    }
  }
  live.rates = rates;
  sample(total);
}

export async function signOut(): Promise<void> {
  source?.close();
  await api.signOut();
  Object.assign(live, { session: null, status: undefined, relays: undefined, events: [], samples: [], rates: {}, openEvents: undefined });
}
