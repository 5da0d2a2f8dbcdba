/**
 * Does something to an open file. An error of the system, which does not know the file's name, is thrown with
 * it, and with its `code`.
 */
export function onFile<T> (path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw withPath(path, error)
  }
}

/** Opens a file. Where that is forbidden, the error says whose the file must be. */
export function onOpen<T> (path: string, open: () => T): T {
  try {
    return open()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const isForbidden = code === 'EACCES' || code === 'EPERM'
    if (!isForbidden) throw error
    throw withPath(path, error, 'cannot be opened: give it to the user of this process')
  }
}

/** Returns an error of the system with a path in front, unless it names that already. `why`: the remedy. */
export function withPath (path: string, error: unknown, why = ''): Error {
  const { message, code } = error as NodeJS.ErrnoException
  if (why === '' && message.includes(path)) return error as Error
  const text = why === '' ? `${path}: ${message}` : `${path} ${why} (${message})`
  return Object.assign(new Error(text, { cause: error }), code === undefined ? {} : { code })
}
