/** The wishes of a command line. */
export interface Arguments {
  /** The benchmarks to run, in this order. */
  readonly names: readonly string[]
  /** With tiny sizes: whether the programs work, not what they cost. */
  readonly isQuick: boolean
  /** Writes the table of the peers into README.md. */
  readonly isReadme: boolean
}

/** The names of the benchmarks that there are, and of those that have a quick form. */
export interface Known {
  readonly all: readonly string[]
  readonly quick: readonly string[]
}

/**
 * Reads `[--quick] [--readme] [NAME…]`. Without a name all benchmarks run, with `--quick` those that have a
 * quick form, and with `--readme` the one that the table is made of.
 * @throws where a flag or a name is unknown, or the two do not go together
 */
export function parseArguments (words: readonly string[], { all, quick }: Known): Arguments {
  const flags = new Set(words.filter(word => word.startsWith('-')))
  const names = words.filter(word => !flags.has(word))
  const isQuick = flags.delete('--quick')
  const isReadme = flags.delete('--readme')
  const [flag] = flags
  if (flag !== undefined) throw new Error(`there is no flag "${flag}"; there are: --quick, --readme`)
  const unknown = names.find(name => !all.includes(name))
  if (unknown !== undefined) {
    throw new Error(`there is no benchmark "${unknown}"; there are: ${all.join(', ')}`)
  }
  const slow = isQuick ? names.find(name => !quick.includes(name)) : undefined
  if (slow !== undefined) throw new Error(`"${slow}" has no quick form; these have: ${quick.join(', ')}`)
  if (!isReadme) return { names: names.length > 0 ? names : isQuick ? quick : all, isQuick, isReadme }
  if (isQuick) throw new Error('--readme shows what a whole run prints: leave --quick out')
  if (names.some(name => name !== 'peers')) throw new Error('--readme runs "peers" alone')
  return { names: ['peers'], isQuick, isReadme }
}
