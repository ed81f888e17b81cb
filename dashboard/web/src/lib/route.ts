/** Addresses of pages. */
export const PAGES = [
  'overview',
  'relays',
  'topology',
  'members',
  'connections',
  'invites',
  'certificates',
  'names',
  'events',
  'security',
  'audit',
  'settings',
] as const;

export type Page = (typeof PAGES)[number];

export interface Place {
  page: Page;
  /** Which one of the things on the page, if one. */
  item: string | undefined;
}

export function parse(path: string): Place {
  const [first = '', item] = path.split('/').filter((part) => part !== '');
  const page = PAGES.find((known) => known === first) ?? 'overview';
  return { page, item: item === undefined ? undefined : decode(item) };
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

export function href(page: Page, item?: string): string {
  const base = page === 'overview' ? '/' : `/${page}`;
  return item === undefined ? base : `${base}/${encodeURIComponent(item)}`;
}
