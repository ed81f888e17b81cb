/** What the desktop application does for the pages. Nothing here is called in a browser. */
import { Channel, invoke } from '@tauri-apps/api/core';
import type { Key } from '../lib/i18n.svelte';

export interface Machine {
  version: string;
  socket: string;
  user: string | null;
  can_start: boolean;
  autostart: boolean;
}

export type Notice = { kind: 'invite'; invite: string } | { kind: 'not_an_invite' } | { kind: 'switch' };

export interface Glance {
  standing: 'on' | 'off' | 'attention' | 'missing';
  text: string;
  open: string;
  switch: string | null;
  quit: string;
}

export const bridge = {
  machine: () => invoke<Machine>('machine'),
  readInvite: (text: string) => invoke<string>('read_invite', { text }),
  openSite: (name: string) => invoke<void>('open_site', { name }),
  startDaemon: () => invoke<void>('start_daemon'),
  setAutostart: (on: boolean) => invoke<void>('set_autostart', { on }),
  showTray: (glance: Glance) => invoke<void>('show_tray', { glance }),
  notify: (title: string, body: string) => invoke<void>('notify', { title, body }),
  onNotice: (heard: (notice: Notice) => void) => invoke<void>('notices', { channel: new Channel(heard) }),
};

const FAULTS: Record<string, Key> = {
  not_an_invite: 'desktop.fault.notAnInvite',
  not_a_site: 'desktop.fault.notASite',
  program: 'desktop.fault.program',
};

/** The words for what a command failed with; `undefined` for what is no such thing. */
export function faultOf(error: unknown): { key: Key; values: Record<string, string> } | undefined {
  const { code, program = '', said = '' } = error as { code?: string; program?: string; said?: string };
  const key = code === undefined ? undefined : FAULTS[code];
  return key && { key, values: { program, said } };
}
