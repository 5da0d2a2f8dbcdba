import type { Difference } from './difference.js'
import { readDifferences } from './differences-of-reads.js'
import { writeDifferences } from './differences-of-writes.js'
import { otherDifferences } from './differences-elsewhere.js'

/** Every difference to 0.2.0 that random histories may come upon. */
export const differences: readonly Difference[] = [...readDifferences, ...writeDifferences]

/** All differences, those too that named tests show. */
const allDifferences: readonly Difference[] = [...differences, ...otherDifferences]

/** The table of differences, as the documents have it. */
export function differencesTable (): string {
  const rows = allDifferences.map(({ name, before, now, why }) => `| ${name} | ${before} | ${now} | ${why} |`)
  return ['| | 0.2.0 | here | why |', '|---|---|---|---|', ...rows].join('\n')
}
