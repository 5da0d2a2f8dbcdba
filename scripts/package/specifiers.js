// The import and export specifiers of what the compiler has written: JavaScript and declarations.

// The compiler writes one statement after the other, each at the beginning of a line, so that comments never
// match.
const statement = /(^(?:import|export)\b[^'";]*?\bfrom\s*|^import\s*)(['"])([^'"\n]+)\2/gm
const call = /(\b(?:import|require)\()(['"])([^'"\n]+)\2(?=[),])/g

/** Returns the text with each specifier replaced by what `replace` returns for it. */
export function rewriteSpecifiers (text, replace) {
  const put = (_match, before, quote, specifier) => `${before}${quote}${replace(specifier)}${quote}`
  return text.replace(statement, put).replace(call, put)
}

/** Returns the specifiers of a text, calls of `import()` and `require()` with a literal included. */
export function specifiersOf (text) {
  const matches = [statement, call].flatMap(pattern => [...text.matchAll(pattern)])
  return matches.map(([, , , specifier]) => specifier)
}

/**
 * Returns the name of the package that a specifier means, or `undefined` where it means a file or Node
 * itself.
 */
export function packageOf (specifier) {
  if (/^(\.|node:)/.test(specifier)) return undefined
  return specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1).join('/')
}
