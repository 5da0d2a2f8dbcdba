/** Tells whether a text `YYYY-MM-DD` is a day of the calendar: the 30th of February is none. */
export function isCalendarDay (text: string): boolean {
  const midnight = new Date(`${text}T00:00:00Z`)
  // The 30th of February becomes a day of March.
  return !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(text)
}
