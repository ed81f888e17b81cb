/** The daemon's API, as `openapi.json` describes it. */
import type {
  CertificateChain,
  CreateInvite,
  DnsList,
  Events,
  InviteCreated,
  Invites,
  Netcheck,
  Relays,
  Revoked,
  Session,
  Status,
  Why,
} from './schema.gen';

/** What the daemon refused, and what would mend it. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly hint: string | undefined,
  ) {
    super(message);
  }
}

/** The daemon does not answer. */
export class Unreachable extends Error {}

async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const init: RequestInit = { method, credentials: 'same-origin', cache: 'no-store' };
  if (body !== undefined) {
    init.headers = { 'content-type': 'application/json' };
    init.body = JSON.stringify(body);
  }
  let response: Response;
  try {
    response = await fetch(`/api/v1/${path}`, init);
  } catch (cause) {
    throw new Unreachable('unreachable', { cause });
  }
  const answer: unknown = await response.json().catch(() => undefined);
  if (!response.ok) {
    throw refusal(response.status, answer);
  }
  return answer as T;
}

function refusal(status: number, answer: unknown): Refused {
  const error = (answer as { error?: { code?: string; message?: string; hint?: string } } | undefined)?.error;
  return new Refused(status, error?.code ?? 'internal', error?.message ?? `HTTP ${status}`, error?.hint);
}

function query(values: Record<string, string | number | undefined>): string {
  const given = Object.entries(values).filter((pair): pair is [string, string | number] => pair[1] !== undefined);
  return given.length === 0 ? '' : `?${new URLSearchParams(given.map(([key, value]) => [key, String(value)]))}`;
}

export const api = {
  session: () => call<Session>('GET', 'session'),
  signIn: (link: string) => call<Session>('POST', 'session', { link }),
  signOut: () => call<unknown>('DELETE', 'session'),
  status: () => call<Status>('GET', 'status'),
  relays: () => call<Relays>('GET', 'relays'),
  events: (after?: number, limit?: number) => call<Events>('GET', `events${query({ after, limit })}`),
  invites: () => call<Invites>('GET', 'invites'),
  createInvite: (wanted: CreateInvite) => call<InviteCreated>('POST', 'invites', wanted),
  withdrawInvite: (id: string) => call<unknown>('DELETE', `invites/${encodeURIComponent(id)}`),
  certificate: (name: string, network: string) =>
    call<CertificateChain>('GET', `certificates/${encodeURIComponent(name)}${query({ network })}`),
  ownCertificate: (network: string) => call<CertificateChain>('GET', `certificates${query({ network })}`),
  revoke: (network: string, name: string) => call<Revoked>('POST', 'revocations', { network, name }),
  block: (network: string, name: string) => call<unknown>('POST', 'blocks', { network, name }),
  why: (name: string, network: string) => call<Why>('GET', `why${query({ name, network })}`),
  names: (network: string) => call<DnsList>('GET', `dns${query({ network })}`),
  netcheck: () => call<Netcheck>('GET', 'netcheck'),
};
