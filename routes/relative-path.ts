/**
 * Returns the way from the pages below one path to another path, relative, so that it holds behind a proxy
 * that has put both elsewhere.
 * @example
 * relativePath('/console', '/live') // '../live'
 */
export function relativePath (from: string, to: string): string {
  const depth = from.split('/').filter(Boolean).length
  const way = '../'.repeat(depth) + to.replace(/^\/+/, '')
  return way === '' ? './' : way
}
