/** What has changed, put into what is known. */
import type { Changes, PeerStatus, Status } from './schema.gen';

/** The status with what has changed in it: of the peers only those are told that have. */
export function merge(before: Status, changes: Changes): Status {
  const networks = changes.status.networks.map((now) => {
    const held = before.networks.find((known) => known.id === now.id)?.peers ?? [];
    const peers = new Map(held.map((peer) => [peer.node_id, peer]));
    changes.gone[now.id]?.forEach((node) => peers.delete(node));
    now.peers.forEach((peer) => peers.set(peer.node_id, peer));
    return { ...now, peers: [...peers.values()].sort(byName) };
  });
  return { ...changes.status, networks };
}

function byName(a: PeerStatus, b: PeerStatus): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
