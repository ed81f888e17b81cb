/** A text with its `{placeholders}` filled. With `count`, `{one|other}` becomes what the number wants. */
export function fill(text: string, values: Record<string, string | number>, language: string): string {
  const rules = new Intl.PluralRules(language);
  return text.replaceAll(/\{([^{}]*)\}/g, (whole, inner: string) => {
    const [one, other] = inner.split('|');
    if (other !== undefined) {
      return rules.select(Number(values['count'])) === 'one' ? (one ?? '') : other;
    }
    const value = values[inner];
    if (value === undefined) {
      return whole;
    }
    return typeof value === 'number' ? new Intl.NumberFormat(language).format(value) : value;
  });
}
