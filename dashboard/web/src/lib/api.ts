/** The daemon's API, as `openapi.json` describes it. */
import type {
  CertificateChain,
  CreateInvite,
  DnsList,
  Events,
  InviteCreated,
  Invites,
  Joined,
  Netcheck,
  NetworkCreated,
  Relays,
  Revoked,
  Session,
  Status,
  Why,
} from './schema.gen';
import { ask, isDesktop, type Answer } from './transport';

/** Every name that the members of the networks publish. */
export interface Published {
  names: { network: string; fqdn: string; type: string }[];
}

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
  let answer: Answer;
  try {
    answer = await ask(method, path, body);
  } catch (cause) {
    throw new Unreachable('unreachable', { cause });
  }
  if (answer.status < 200 || answer.status > 299) {
    throw refusal(answer.status, answer.body);
  }
  return answer.body as T;
}

function refusal(status: number, answer: unknown): Refused {
  const error = (answer as { error?: { code?: string; message?: string; hint?: string } } | undefined)?.error;
  return new Refused(status, error?.code ?? 'internal', error?.message ?? `HTTP ${status}`, error?.hint);
}

function query(values: Record<string, string | number | undefined>): string {
  const given = Object.entries(values).filter((pair): pair is [string, string | number] => pair[1] !== undefined);
  return given.length === 0 ? '' : `?${new URLSearchParams(given.map(([key, value]) => [key, String(value)]))}`;
}

/** Over the socket nobody signs in: what the daemon permits says who asks. */
async function callerOfSocket(): Promise<Session> {
  await call<Status>('GET', 'status');
  try {
    await call<Invites>('GET', 'invites');
  } catch (error) {
    if (error instanceof Refused && error.status === 403) {
      return { schema: 1, role: 'operator' };
    }
  }
  return { schema: 1, role: 'admin' };
}

export const api = {
  session: () => (isDesktop ? callerOfSocket() : call<Session>('GET', 'session')),
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
  found: (label: string, name: string | undefined) => call<NetworkCreated>('POST', 'networks', { label, name }),
  join: (invite: string, name: string | undefined) => call<Joined>('POST', 'join', { invite, name }),
  turn: (on: boolean) => call<{ on: boolean }>('POST', 'switch', { on }),
  published: () => call<Published>('GET', 'names'),
  netcheck: () => call<Netcheck>('GET', 'netcheck'),
};
