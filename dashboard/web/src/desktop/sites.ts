/** The names of the networks that a browser may find something at. */
import { api, Refused } from '../lib/api';
import type { NetworkStatus } from '../lib/schema.gen';

export interface Site {
  network: string;
  fqdn: string;
  /** Without the network. */
  short: string;
  /** A machine's own name; nothing says that it serves pages. */
  isHost: boolean;
}

const WITH_ADDRESS: readonly string[] = ['A', 'AAAA', 'CNAME'];

/** What is published first, then the machines. */
export async function sites(networks: readonly NetworkStatus[]): Promise<Site[]> {
  const published = await publishedNames(networks);
  const hosts = networks.flatMap((net) => [net, ...net.peers].map(({ fqdn }) => site(net.label, fqdn, true)));
  const found = new Map([...hosts, ...published].map((one) => [one.fqdn, one]));
  return [...found.values()].sort((a, b) => Number(a.isHost) - Number(b.isHost) || (a.fqdn < b.fqdn ? -1 : 1));
}

async function publishedNames(networks: readonly NetworkStatus[]): Promise<Site[]> {
  try {
    const { names } = await api.publishedNames();
    return names.filter(({ type }) => WITH_ADDRESS.includes(type)).map(({ network, fqdn }) => site(network, fqdn, false));
  } catch (error) {
    if (!(error instanceof Refused) || error.status !== 404) {
      throw error;
    }
    return ownNames(networks);
  }
}

/** What this machine publishes: all that an older daemon tells. */
async function ownNames(networks: readonly NetworkStatus[]): Promise<Site[]> {
  const lists = await Promise.all(networks.map((network) => api.names(network.label)));
  const records = lists.flatMap((list) => list.records).filter(({ type }) => WITH_ADDRESS.includes(type));
  return records.map(({ network, fqdn }) => site(network, fqdn, false));
}

export function site(network: string, name: string, isHost: boolean): Site {
  const fqdn = name.replace(/\.$/, '');
  const ending = `.${network}.alt`;
  return { network, fqdn, short: fqdn.endsWith(ending) ? fqdn.slice(0, -ending.length) : fqdn, isHost };
}
