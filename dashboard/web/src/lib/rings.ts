/** Where members stand around this machine: the quicker they answer the nearer, relays between. */
export interface Placed<T> {
  item: T;
  x: number;
  y: number;
}

/** Places items evenly on rings around the origin; a ring holds as many as fit `apart` from each other. */
export function rings<T>(items: readonly T[], inner: number, apart: number): Placed<T>[] {
  const placed: Placed<T>[] = [];
  let radius = inner;
  let rest = [...items];
  while (rest.length > 0) {
    const room = Math.max(1, Math.floor((2 * Math.PI * radius) / apart));
    const some = rest.slice(0, room);
    some.forEach((item, number) => {
      const angle = (2 * Math.PI * number) / some.length - Math.PI / 2;
      placed.push({ item, x: radius * Math.cos(angle), y: radius * Math.sin(angle) });
    });
    rest = rest.slice(room);
    radius += apart;
  }
  return placed;
}
