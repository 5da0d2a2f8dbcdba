/** The part of the global object that says how errors are shown. */
const globals = globalThis as { document?: unknown, reportError?: (error: unknown) => void }

/**
 * Shows an error of a function of the application, which has no caller to throw it to. Elsewhere than in
 * pages `reportError` may end the program.
 */
export function report (error: unknown): void {
  if (globals.document && globals.reportError) globals.reportError(error)
  else console.error(error)
}

/** Calls `call` with each item; an error of one is shown, and harms no other. */
export function callEach<T> (items: Iterable<T>, call: (item: T) => void): void {
  for (const item of [...items]) {
    try {
      call(item)
    } catch (error) {
      report(error)
    }
  }
}

/** Does nothing. */
export const none = (): void => {}

/** Returns the text of anything that was thrown. */
export function messageOf (error: unknown): string {
  return String((error as Error | undefined)?.message ?? error)
}

/** Returns a URL as messages may show it: without a name, a password and what was asked. */
export function shownUrl (url: string): string {
  return url.replace(/^(\w+:\/\/)([^/]*@)?([^?]*).*/, '$1$3')
}
