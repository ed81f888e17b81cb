/** This machine's daemon, as the application sees it, and its switch. */
import { Refused } from '../lib/api';
import { live, switchNetworks } from '../lib/live.svelte';
import type { Status } from '../lib/schema.gen';
import { bridge, type Machine } from './bridge';

interface State {
  machine: Machine | undefined;
  isTurning: boolean;
  /** Why the switch did not do as it was told. */
  failure: unknown;
  /** The daemon is older than the switch. */
  isWithoutSwitch: boolean;
}

export const desk: State = $state({ machine: undefined, isTurning: false, failure: undefined, isWithoutSwitch: false });

export async function look(): Promise<void> {
  desk.machine = await bridge.machine();
}

/** Whether the daemon carries traffic; one without a switch always does. */
export function isOn(status: Status | undefined = live.status): boolean {
  return status?.on ?? true;
}

export function isReached(): boolean {
  return live.connection === 'live' && live.status !== undefined;
}

export async function turn(on: boolean): Promise<void> {
  if (desk.isTurning) {
    return;
  }
  desk.isTurning = true;
  desk.failure = undefined;
  try {
    await switchNetworks(on);
    desk.isWithoutSwitch = false;
  } catch (error) {
    desk.isWithoutSwitch = error instanceof Refused && (error.status === 404 || error.status === 405);
    desk.failure = desk.isWithoutSwitch ? undefined : error;
  } finally {
    desk.isTurning = false;
  }
}
