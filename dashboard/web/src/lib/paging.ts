/** Lists that come in pages, newest first. */
export interface Numbered {
  id: number;
}

/** What is held, with the page after it. */
export function extended<T extends Numbered>(held: readonly T[], older: readonly T[]): T[] {
  const known = new Set(held.map((one) => one.id));
  return [...held, ...older.filter((one) => !known.has(one.id))];
}

/** What is held, with the first page as it is now: new ones stand first, and what is known is what it has become. */
export function renewed<T extends Numbered>(held: readonly T[], newest: readonly T[]): T[] {
  const now = new Set(newest.map((one) => one.id));
  const oldest = newest.at(-1)?.id ?? 0;
  // Between its ends the new page holds all that there is.
  return [...newest, ...held.filter((one) => !now.has(one.id) && one.id < oldest)];
}
