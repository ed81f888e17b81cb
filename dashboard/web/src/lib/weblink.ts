/** Addresses of web pages at names that members publish. */

/** Types of records that say where a machine is. */
const ADDRESSES: readonly string[] = ['A', 'AAAA'];

/** Where a browser would look for a page at a name; none where the name is not one of a machine. */
export function webLink({ type, fqdn }: { type: string; fqdn: string }): string | undefined {
  const name = fqdn.replace(/\.$/, '');
  const isName = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i.test(name);
  return ADDRESSES.includes(type) && isName ? `http://${name}/` : undefined;
}
