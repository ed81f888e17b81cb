/** Keeps the tray and the notifications up to date, whether the window is shown or not. */
import { t } from '../lib/i18n.svelte';
import { live } from '../lib/live.svelte';
import { bridge, type Glance } from './bridge';
import { desk, isOn, isReached } from './machine.svelte';

const KEY = 'holloway.desktop.notifications';

export const wishes = $state({ notifications: localStorage.getItem(KEY) !== 'off' });

export function chooseNotifications(on: boolean): void {
  wishes.notifications = on;
  localStorage.setItem(KEY, on ? 'on' : 'off');
}

/** One line that says how things are, and what the tray shows of it. */
function glance(): Glance {
  const fixed = { open: t('desktop.tray.open'), quit: t('desktop.tray.quit') };
  if (!isReached()) {
    return { ...fixed, standing: 'missing', text: t('desktop.tray.missing'), switch: null };
  }
  const networks = live.status?.networks ?? [];
  const count = networks.flatMap((network) => network.peers).filter((peer) => peer.online).length;
  const isUrgent = (live.status?.attention.length ?? 0) > 0;
  if (!isOn()) {
    return { ...fixed, standing: 'off', text: t('desktop.tray.off'), switch: t('desktop.switch.turnOn') };
  }
  if (networks.length === 0) {
    return { ...fixed, standing: 'off', text: t('desktop.tray.noNetwork'), switch: null };
  }
  return {
    ...fixed,
    standing: isUrgent ? 'attention' : 'on',
    text: t(isUrgent ? 'desktop.tray.attention' : 'desktop.tray.on', { count }),
    switch: desk.isWithoutSwitch ? null : t('desktop.switch.turnOff'),
  };
}

function notify(title: string, body: string): void {
  if (wishes.notifications) {
    // A desktop without notifications is no reason to trouble anybody.
    bridge.notify(title, body).catch(() => undefined);
  }
}

/** To be called once, while a component is made. */
export function attend(): void {
  let shown = '';
  $effect(() => {
    const now = glance();
    const text = JSON.stringify(now);
    if (text !== shown) {
      shown = text;
      void bridge.showTray(now);
    }
  });

  let newest: number | undefined;
  $effect(() => {
    const events = live.events;
    if (live.connection !== 'live') {
      return;
    }
    const known = newest;
    newest = events[0]?.id ?? 0;
    if (known !== undefined) {
      const fresh = events.filter((event) => event.id > known && event.severity !== 'info');
      fresh.toReversed().forEach((event) => notify(t(`events.${event.severity}`), event.text));
    }
  });

  let wanting: ReadonlySet<string> | undefined;
  $effect(() => {
    if (live.status === undefined) {
      return;
    }
    const now = new Set(live.status.attention.map((item) => item.what));
    const before = wanting;
    wanting = now;
    if (before !== undefined) {
      now.forEach((what) => before.has(what) || notify(t('overview.attention'), what));
    }
  });

  let wasReached = false;
  $effect(() => {
    if (live.connection === 'lost' && wasReached) {
      notify(t('desktop.missing.title'), t('desktop.notify.lost'));
    }
    wasReached = live.connection === 'live';
  });
}
