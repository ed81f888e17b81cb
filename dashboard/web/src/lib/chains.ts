/** Who admitted whom. */
import { api } from './api';
import type { CertificateView, NetworkStatus } from './schema.gen';

/** Certificates by the node id of their holder. */
export type Issued = Map<string, CertificateView>;

/** Certificates asked for at once: a browser would queue more. */
const AT_ONCE = 6;

/** The certificates of a network's members and of this machine. */
export async function issuers(network: NetworkStatus): Promise<Issued> {
  const known: Issued = new Map();
  const own = await api.ownCertificate(network.label);
  [own.certificate, ...own.chain].forEach((view) => known.set(view.node_id, view));
  const peers = network.peers.filter((peer) => !known.has(peer.node_id));
  while (peers.length > 0) {
    const some = peers.splice(0, AT_ONCE);
    const chains = await Promise.all(some.map((peer) => api.certificate(peer.name, network.label)));
    chains.forEach(({ certificate }) => known.set(certificate.node_id, certificate));
  }
  return known;
}

/** Whom somebody admitted; without a node id, whom the network's root did. */
export function admitted(known: Issued, issuer?: string): CertificateView[] {
  const isRoot = (id: string): boolean => !known.has(id);
  const views = [...known.values()].filter((view) => view.issuer !== view.node_id);
  const found = views.filter((view) => (issuer === undefined ? isRoot(view.issuer) : view.issuer === issuer));
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The names of everyone whom somebody admitted, or who was admitted by one of those. */
export function below(known: Issued, issuer: string): string[] {
  return admitted(known, issuer).flatMap((view) => [view.name, ...below(known, view.node_id)]);
}
