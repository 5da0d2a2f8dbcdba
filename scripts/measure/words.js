/** Words that neither code nor pages use: they say less than the name of who is meant. */
export const retiredWords = ['nobody', 'somebody', 'whoever', 'whatever', 'everybody', 'anybody', 'whom']

const pattern = new RegExp(`\\b(${retiredWords.join('|')})\\b`, 'gi')

/** Returns `path:line: word` for each retired word of a text. */
export function retiredWordsIn ({ path, text }) {
  return text.split('\n').flatMap((line, index) =>
    [...line.matchAll(pattern)].map(([word]) => `${path}:${index + 1}: ${word}`))
}

/** Tells whether the retired words are counted in this file: in what users read, and in the sources. */
export function isCounted (path) {
  return isChecked(path) && (path.endsWith('.md') || /^(lib|routes|packages)\//.test(path))
}

/** Tells whether this file may have no retired word: only the history keeps its text, and this list. */
export function isChecked (path) {
  return path !== 'CHANGELOG.md' && path !== 'scripts/measure/words.js'
}
