/** Which page is shown: the address says. */
import { href, PAGES, parse, type Page, type Place } from './route';

export { href, PAGES, type Page };

export const place: Place = $state(parse(location.pathname));

function show(path: string): void {
  Object.assign(place, parse(path));
}

export function go(path: string): void {
  if (path !== location.pathname) {
    history.pushState(null, '', path);
  }
  show(path);
  document.getElementById('main')?.focus({ preventScroll: true });
  window.scrollTo(0, 0);
}

addEventListener('popstate', () => show(location.pathname));

/** Makes links of this site change the page instead of loading it anew. */
export function follow(event: MouseEvent): void {
  const isPlain = event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
  const link = event.target instanceof Element ? event.target.closest('a[href^="/"]') : null;
  if (isPlain && !event.defaultPrevented && link instanceof HTMLAnchorElement && link.target === '') {
    event.preventDefault();
    go(link.pathname);
  }
}
