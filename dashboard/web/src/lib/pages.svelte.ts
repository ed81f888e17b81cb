/** A list that is asked for page by page. */
import { extended, renewed, type Numbered } from './paging';

export interface Page<T> {
  items: T[];
  next?: number | null | undefined;
}

type Ask<T> = (before: number | undefined) => Promise<Page<T>>;

/** Holds the pages that were asked for. Answers to questions that were asked before the last `begin` are dropped. */
export class Pages<T extends Numbered> {
  items: T[] = $state.raw([]);
  failure: unknown = $state.raw();
  isBusy = $state(false);
  hasOlder = $state(false);
  #ask: Ask<T> | undefined;
  #next: number | undefined;
  #round = 0;

  /** Forgets what is held, and asks for the first page. */
  begin(ask: Ask<T>): void {
    this.#ask = ask;
    this.#round += 1;
    this.#next = undefined;
    this.items = [];
    this.hasOlder = false;
    void this.older();
  }

  /** Asks for the page after what is held. */
  async older(): Promise<void> {
    await this.#question(this.#next, ({ items, next }) => {
      this.items = extended(this.items, items);
      this.#next = next ?? undefined;
      this.hasOlder = next != null;
    });
  }

  /** Asks for the first page again, and keeps what is older: unless there may be something between the two. */
  async renew(): Promise<void> {
    await this.#question(undefined, ({ items, next }) => {
      const fresh = new Set(items.map((one) => one.id));
      const isJoined = next != null && this.items.some((one) => fresh.has(one.id));
      this.items = isJoined ? renewed(this.items, items) : items;
      if (!isJoined) {
        this.#next = next ?? undefined;
        this.hasOlder = next != null;
      }
    });
  }

  async #question(before: number | undefined, take: (page: Page<T>) => void): Promise<void> {
    const round = this.#round;
    this.isBusy = true;
    try {
      const page = await this.#ask?.(before);
      if (round === this.#round && page) {
        this.failure = undefined;
        take(page);
      }
    } catch (error) {
      if (round === this.#round) {
        this.failure = error;
      }
    }
    this.isBusy = round === this.#round ? false : this.isBusy;
  }
}
