/** Words that neither code nor pages use: they say less than the name of who is meant. */
export const retiredWords = ['nobody', 'somebody', 'whoever', 'whatever', 'everybody', 'anybody', 'whom']

const pattern = new RegExp(`\\b(${retiredWords.join('|')})\\b`, 'gi')

/** Returns `path:line: word` for each retired word of a text. */
export function retiredWordsIn ({ path, text }) {
  return text.split('\n').flatMap((line, index) =>
    [...line.matchAll(pattern)].map(([word]) => `${path}:${index + 1}: ${word}`))
}

/** Whether the retired words are counted here: the history says what it has said. */
export function isRead (path) {
  if (path.endsWith('.md')) return path !== 'CHANGELOG.md'
  return /^(lib|routes|packages)\//.test(path)
}
