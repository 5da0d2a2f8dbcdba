import { createHash } from 'node:crypto'
import type { RequestMessage } from '../protocol/messages.js'
import type { OperationAccess, ResourceAccess, Tier } from './policy.js'

/** Characters of the rights of all steps up to which they are kept. */
const MAX_CHARS = 8_000

/** An operation with the resources that it was granted on. */
type Asked = readonly [name: string, tier: Tier | null, resources: readonly ResourceAccess[]]

/**
 * The rights that an answer rests on: those of its request, and of the steps that a procedure has made. As a
 * text, they can be asked once more before the answer is shown again.
 */
export class AskedRights {
  readonly #asked = new Map<string, string>()
  #chars = 0

  /** Adds the right of a step; `rights` are those of its grant. */
  add ({ name, tier, resources }: OperationAccess, request: RequestMessage, rights: string): void {
    if (this.#chars > MAX_CHARS) return
    const asked: Asked = [name, tier ?? null, resources(request)]
    const text = JSON.stringify(asked)
    if (this.#asked.has(text)) return
    this.#asked.set(text, rights)
    this.#chars += text.length + 1
  }

  /**
   * Returns the text of all rights, where `own` are those of the request; `undefined` when they are too many
   * to be kept.
   */
  textWith (own: string): string | undefined {
    if (this.#chars > MAX_CHARS) return undefined
    return `${digestOf([own, ...this.#asked.values()])}[${[...this.#asked.keys()].join(',')}]`
  }
}

/**
 * Whether rights are still those of a text: `own` are the present ones of the request, `ask` returns those of
 * a step, or throws.
 */
export function hasSameRights (
  text: string, own: string, ask: (operation: OperationAccess) => string
): boolean {
  try {
    const begin = text.indexOf('[')
    const asked = JSON.parse(text.slice(begin)) as readonly Asked[]
    const steps = asked.map(([name, tier, resources]) =>
      ask({ name, tier: tier ?? undefined, accessLevel: 'permission', resources: () => resources }))
    return digestOf([own, ...steps]) === text.slice(0, begin)
  } catch {
    return false
  }
}

function digestOf (rights: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(rights)).digest('base64url')
}
