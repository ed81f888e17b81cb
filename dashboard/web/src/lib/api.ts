/** The daemon's API, as `openapi.json` describes it. */
import type {
  Account,
  AccountRemoved,
  Accounts,
  Audit,
  CertificateChain,
  ChangePassword,
  Connections,
  CreateInvite,
  DnsAdd,
  DnsAdded,
  DnsList,
  DnsRemoved,
  Events,
  History,
  InviteCreated,
  Invites,
  Joined,
  Names,
  Netcheck,
  NetworkCreated,
  Overview,
  PutAccount,
  Relays,
  Revoked,
  SecurityEvent,
  SecurityEvents,
  Session,
  Status,
  Switched,
  TotpSecret,
  Why,
} from './schema.gen';
import { ask, isDesktop, type Answer } from './transport';

/** Which figures over time are wanted; without a node id, the sum of what the machine carries. */
export interface HistoryWanted {
  network: string;
  node_id?: string;
  since: number;
  until: number;
  points: number;
}

/** Which page of a list is wanted: the first, or that of what is older than `before`. */
export interface PageWanted {
  network?: string;
  node_id?: string;
  open?: boolean;
  before?: number;
  limit: number;
}

/** What the daemon refused, and what would mend it. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly hint: string | undefined,
    /** Seconds after which it is worth another try, where the daemon says so. */
    readonly retryAfter?: number,
  ) {
    super(message);
  }
}

/** Whether what was asked for is not there, which is no mishap: figures, where none are kept. */
export function isAbsent(error: unknown): boolean {
  return error instanceof Refused && error.code === 'not_found';
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
    throw refusal(answer);
  }
  return answer.body as T;
}

function refusal({ status, body, retryAfter }: Answer): Refused {
  const error = (body as { error?: { code?: string; message?: string; hint?: string } } | undefined)?.error;
  return new Refused(status, error?.code ?? 'internal', error?.message ?? `HTTP ${status}`, error?.hint, retryAfter);
}

function query(values: object): string {
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== null);
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
  signInAs: (name: string, password: string, code?: string) => call<Session>('POST', 'session', { name, password, code }),
  signOut: () => call<unknown>('DELETE', 'session'),
  status: () => call<Status>('GET', 'status'),
  relays: () => call<Relays>('GET', 'relays'),
  events: (after?: number, limit?: number) => call<Events>('GET', `events${query({ after, limit })}`),
  invites: () => call<Invites>('GET', 'invites'),
  createInvite: (wanted: CreateInvite) => call<InviteCreated>('POST', 'invites', wanted),
  approve: (id: string, network: string, node_id: string) =>
    call<unknown>('POST', `invites/${encodeURIComponent(id)}/approval`, { network, node_id }),
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
  publishedNames: (network?: string) => call<Names>('GET', `names${query({ network })}`),
  addName: (wanted: DnsAdd) => call<DnsAdded>('POST', 'dns', wanted),
  removeName: (network: string, label: string, type: string, value: string) =>
    call<DnsRemoved>('DELETE', `dns${query({ network, label, type, value })}`),
  switch: (on: boolean) => call<Switched>('POST', 'switch', { on }),
  overview: () => call<Overview>('GET', 'overview'),
  history: (wanted: HistoryWanted) => call<History>('GET', `history${query(wanted)}`),
  connections: (wanted: PageWanted) => call<Connections>('GET', `connections${query(wanted)}`),
  securityEvents: (wanted: PageWanted) => call<SecurityEvents>('GET', `security-events${query(wanted)}`),
  handle: (id: number, note: string) => call<SecurityEvent>('POST', `security-events/${id}`, { note }),
  reopen: (id: number) => call<unknown>('DELETE', `security-events/${id}`),
  audit: (wanted: PageWanted) => call<Audit>('GET', `audit${query(wanted)}`),
  accounts: () => call<Accounts>('GET', 'accounts'),
  putAccount: (name: string, wanted: PutAccount) => call<Account>('PUT', `accounts/${encodeURIComponent(name)}`, wanted),
  removeAccount: (name: string) => call<AccountRemoved>('DELETE', `accounts/${encodeURIComponent(name)}`),
  changePassword: (wanted: ChangePassword) => call<Account>('POST', 'account/password', wanted),
  newTotp: () => call<TotpSecret>('POST', 'account/totp'),
  confirmTotp: (code: string) => call<Account>('PUT', 'account/totp', { code }),
  removeTotp: (code: string) => call<Account>('DELETE', 'account/totp', { code }),
  netcheck: () => call<Netcheck>('GET', 'netcheck'),
};
