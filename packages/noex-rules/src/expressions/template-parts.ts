import { ReferencePathError } from '../errors.js'

/** The most levels of nested `${}`. */
const MAX_TEMPLATE_DEPTH = 8

/** A piece of ordinary text, or the parts of a path between `${` and `}`. */
export type TemplatePart = string | TemplatePart[]

/** An open `${`, or the whole text: its parts, and the depth of the paths in them. */
interface Frame {
  parts: TemplatePart[]
  depth: number
}

/**
 * Splits a text at its `${path}`, in one pass. An unclosed `${` and an unmatched `}` are ordinary text. No
 * two strings are adjacent. Throws `ReferencePathError` for more than 8 levels.
 */
export function parseTemplate (text: string): TemplatePart[] {
  const frames: Frame[] = [{ parts: [], depth: 0 }]
  let literalStart = 0
  let index = 0
  while (index < text.length) {
    const isOpening = text.startsWith('${', index)
    const isClosing = frames.length > 1 && text[index] === '}'
    if (isOpening || isClosing) append(frames.at(-1)!.parts, text.slice(literalStart, index))
    if (isOpening) frames.push({ parts: [], depth: 0 })
    else if (isClosing) closeFrame(frames)
    index += isOpening ? 2 : 1
    if (isOpening || isClosing) literalStart = index
  }
  append(frames.at(-1)!.parts, text.slice(literalStart))
  return joinFrames(frames)
}

function closeFrame (frames: Frame[]): void {
  const { parts, depth } = frames.pop()!
  if (depth >= MAX_TEMPLATE_DEPTH) {
    throw new ReferencePathError(`Interpolations are nested at most ${MAX_TEMPLATE_DEPTH} levels deep`)
  }
  const parent = frames.at(-1)!
  parent.parts.push(parts)
  parent.depth = Math.max(parent.depth, depth + 1)
}

/** Joins the frames that are still open: each belongs to the one before. */
function joinFrames ([first, ...unclosed]: Frame[]): TemplatePart[] {
  const joined = first!.parts
  for (const { parts } of unclosed) {
    append(joined, '${')
    for (const part of parts) append(joined, part)
  }
  return joined
}

function append (parts: TemplatePart[], part: TemplatePart): void {
  const last = parts.at(-1)
  if (typeof part !== 'string') parts.push(part)
  else if (typeof last === 'string') parts[parts.length - 1] = last + part
  else if (part !== '') parts.push(part)
}
