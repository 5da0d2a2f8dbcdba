/** Does nothing. */
export const none = (): void => {}

/** Tells about an error of a function of the application, which has nowhere else to go. */
export function report (error: unknown): void {
  console.error(error)
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
