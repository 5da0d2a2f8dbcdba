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

/** Returns an error of the system with a path in front, unless it names that already. `why`: the remedy. */
export function withPath (path: string, error: unknown, why = ''): Error {
  const { message, code } = error as NodeJS.ErrnoException
  if (why === '' && message.includes(path)) return error as Error
  const text = why === '' ? `${path}: ${message}` : `${path} ${why} (${message})`
  return Object.assign(new Error(text, { cause: error }), code === undefined ? {} : { code })
}
