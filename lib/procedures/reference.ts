/** The variables of a procedure: its input, and the named results of its steps so far. */
export interface Variables {
  readonly input: Readonly<Record<string, unknown>>
  readonly results: ReadonlyMap<string, unknown>
}

/** Returns the value at a path; `undefined` where there is none. */
export type Reference = (variables: Variables) => unknown

/**
 * Compiles a path such as `order.items.0.sku`: its first part names a result or `input`, the others name own
 * members of objects and arrays; inherited members do not count.
 */
export function compileReference (path: string): Reference {
  const [first, ...steps] = path.split('.') as [string, ...string[]]
  return ({ input, results }) => {
    let value: unknown = first === 'input' ? input : results.get(first)
    for (const step of steps) {
      if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined
      value = (value as Record<string, unknown>)[step]
    }
    return value
  }
}

/** A piece of a text: a path between braces, or the text around it. */
export type Piece = string | { readonly path: string }

/** Splits a text at its placeholders `{{ path }}`, in time linear in its length. */
export function piecesOf (text: string): Piece[] {
  const pieces: Piece[] = []
  let done = 0
  let from = 0
  for (;;) {
    const start = text.indexOf('{{', from)
    const end = start === -1 ? -1 : text.indexOf('}', start + 2)
    if (end === -1) break
    from = end + 1
    const path = text.slice(start + 2, end).trim()
    if (path === '' || text[end + 1] !== '}') continue
    if (start > done) pieces.push(text.slice(done, start))
    pieces.push({ path })
    done = from = end + 2
  }
  if (done < text.length || pieces.length === 0) pieces.push(text.slice(done))
  return pieces
}
