/** Rows of tables: which are looked for, and in which order they stand. */
export interface Column<T> {
  label: string;
  /** Whether the label is for those alone who cannot see the column. */
  isHidden?: boolean;
  /** What rows are sorted by; without it nobody can. */
  by?: (row: T) => string | number | null | undefined;
}

export interface Order {
  column: number;
  isDescending: boolean;
}

/** The rows as wanted; those without a value come last either way. */
export function sorted<T>(rows: readonly T[], columns: readonly Column<T>[], order: Order | undefined): readonly T[] {
  const by = order && columns[order.column]?.by;
  if (order === undefined || by === undefined) {
    return rows;
  }
  const { compare } = new Intl.Collator(undefined, { numeric: true });
  const sign = order.isDescending ? -1 : 1;
  return rows
    .map((row) => ({ row, value: by(row) ?? undefined }))
    .sort(({ value: a }, { value: b }) => {
      if (a === undefined || b === undefined) {
        return Number(a === undefined) - Number(b === undefined);
      }
      return sign * (typeof a === 'number' && typeof b === 'number' ? a - b : compare(String(a), String(b)));
    })
    .map(({ row }) => row);
}

/** The order after a column's head was chosen: once more turns it round. */
export function chosen(order: Order | undefined, column: number): Order {
  return { column, isDescending: order?.column === column && !order.isDescending };
}

/** Whether each of the words that are looked for is in one of the texts. */
export function matches(wanted: string, ...texts: (string | null | undefined)[]): boolean {
  const text = texts.filter((one) => one != null).join('\n').toLowerCase();
  return wanted
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}
