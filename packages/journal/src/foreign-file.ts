import { lstatSync, renameSync, rmSync } from 'node:fs'

/** Files of one name that are set aside before an operator has to look. */
const MAX_SET_ASIDE = 1_000

/** Tells what stands under a name, itself and not where a link leads; `undefined` when nothing does. */
export function entryAt (path: string): { readonly isFile: boolean, readonly size: number } | undefined {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  return stats && { isFile: stats.isFile(), size: stats.size }
}

/**
 * Frees the name of a file of a journal from what others have put there: an empty file is removed, and
 * anything else, also a directory or a link, is moved to `<path>.foreign`, or `<path>.foreign.2` and so on.
 * Returns the new name; `undefined` when there is none. `title`: what messages call the journal.
 * @throws an Error that says what the operator must do, when it cannot be moved
 */
export function setAside (path: string, title: string): string | undefined {
  const found = entryAt(path)
  if (found === undefined) return undefined
  let aside = `${path}.foreign`
  try {
    if (found.isFile && found.size === 0) {
      rmSync(path)
      return undefined
    }
    for (let n = 2; entryAt(aside) !== undefined; n++) {
      if (n > MAX_SET_ASIDE) throw new Error(`there are ${MAX_SET_ASIDE} of them`)
      aside = `${path}.foreign.${n}`
    }
    renameSync(path, aside)
  } catch (error) {
    throw new Error(
      `${path} is not the ${title}'s and cannot be moved to ${aside}: move it away, until then nothing is ` +
      `written (${(error as Error).message})`,
      { cause: error }
    )
  }
  return aside
}

/**
 * Makes room for a new segment; `isEnd` says that the journal takes no more lines. Returns a text that says
 * how it goes on, or what must be done first.
 */
export function freeName (path: string, title: string, isEnd: boolean): string {
  let rest = ''
  try {
    const aside = setAside(path, title)
    if (aside !== undefined) rest = `what was in its place is now ${aside}, and `
  } catch (error) {
    const { message } = error as Error
    if (!isEnd) return message
    rest = `${message}, and `
  }
  return rest + (isEnd
    ? 'nothing more is written: stop the service, and bring its directory back from a backup'
    : 'the next entry begins a new file')
}
