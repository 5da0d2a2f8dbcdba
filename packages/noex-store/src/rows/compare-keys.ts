const { compare } = new Intl.Collator()

/** Orders keys: numbers by size before all others, which are ordered as texts of the default locale. */
export function compareKeys (a: unknown, b: unknown): number {
  if (typeof a === 'number') return typeof b === 'number' ? a - b : -1
  return typeof b === 'number' ? 1 : compare(String(a), String(b))
}
