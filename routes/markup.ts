const entities: Readonly<Record<string, string>> = {
  '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;'
}

/** Returns a text as it stands in the attributes and the content of markup. */
export function markupOf (text: string): string {
  return text.replace(/[&<>"']/g, char => entities[char] ?? char)
}
