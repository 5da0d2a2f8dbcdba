/** Tells about an error of a function of the application, which has nowhere else to go. */
export function report (error: unknown): void {
  console.error(error)
}
