// Messages of a directory whose files are not whole: each names the file and the remedy.

export function emptiedText (directory: string, mark: number): string {
  return `${directory} has had a log up to revision ${mark}, and has none now: ` +
    'bring it back from a backup, or remove store.mark to begin anew'
}

export function shortText (path: string, last: number, end: number): string {
  return `${path} ends with revision ${last}, but ${end} was on the disk: bring it back from a backup`
}

/** Returns the message of a snapshot that is newer than the log, whose end is there by its mark. */
export function aheadText (path: string, last: number): string {
  return `${path} is ahead of the log, which ends with revision ${last}: move it away if it is not of this ` +
    'store, else bring the files of the log back from a backup'
}

export function baseText (directory: string, base: number): string {
  return `${directory}: the snapshot of revision ${base}, with which the log begins, is missing or ` +
    'damaged: bring its files back from a backup'
}

export function missingText (
  directory: string, from: number, to: number, damaged: readonly string[]
): string {
  const cause = damaged.length === 0 ? '' : ` (damaged: ${damaged.join(', ')})`
  return `${directory}: revisions ${from} to ${to} are missing${cause}: bring its files back from a backup`
}
