/** Markers that lie on one another, as one. */
export interface Marked {
  name: string;
  detail: string;
  isSilent: boolean;
  x: number;
  y: number;
}

export interface Cluster {
  x: number;
  y: number;
  members: Marked[];
}

/** Puts each marker to the first cluster that is nearer than `apart`; a cluster stays where its first one is. */
export function clusters(marked: readonly Marked[], apart: number): Cluster[] {
  const found: Cluster[] = [];
  for (const one of marked) {
    const near = found.find((cluster) => Math.hypot(cluster.x - one.x, cluster.y - one.y) < apart);
    if (near === undefined) {
      found.push({ x: one.x, y: one.y, members: [one] });
    } else {
      near.members.push(one);
    }
  }
  return found;
}
