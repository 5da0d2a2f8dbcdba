import { join } from 'node:path'

/** Measures against errors of the system that an operator can take. */
const remedies: Readonly<Record<string, string>> = {
  ENOSPC: 'make room on the disk',
  EDQUOT: 'raise the quota, or make room',
  EIO: 'check the disk',
  EROFS: 'mount the disk for writing',
  EACCES: 'give it to the user of this process',
  EPERM: 'give it to the user of this process',
  EMFILE: 'let the process open more files (ulimit -n)',
  ENFILE: 'let the system open more files',
  EFBIG: 'let the process write longer files (ulimit -f)'
}

/**
 * Returns the error of a log as an operator needs it: an error of the system with its remedy, and any other
 * with the directory, unless it names a file in it. Its `code` stays.
 * @param measure a remedy that does not go by the error
 */
export function withRemedy (directory: string, error: unknown, measure = ''): Error {
  const { message, code } = error as NodeJS.ErrnoException
  const place = message.includes(join(directory, '.')) ? '' : `${directory}: `
  // Other threads tell errors by their texts.
  const [, name = ''] = /(?:^|: )(E[A-Z]+): /.exec(message) ?? []
  const own = Object.hasOwn(remedies, name) ? remedies[name] as string : measure
  const remedy = own === '' ? '' : `: ${own}`
  if (place === '' && remedy === '') return error as Error
  const text = `${place}${message}${remedy}`
  return Object.assign(new Error(text, { cause: error }), code === undefined ? {} : { code })
}
