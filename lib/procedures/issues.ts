/** The number of issues that are collected for one definition; later ones are dropped. */
const MAX_ISSUES = 100

/** A problem of a definition; `path` is empty for the definition as a whole. */
export interface Issue {
  readonly path: string
  readonly problem: string
}

/** Collects the problems of a definition. */
export class Issues {
  readonly #list: Issue[] = []

  get list (): readonly Issue[] {
    return this.#list
  }

  get isFull (): boolean {
    return this.#list.length >= MAX_ISSUES
  }

  add (path: string, problem: string): void {
    if (!this.isFull) this.#list.push({ path, problem })
  }
}

/** Returns the text of an issue, which begins with the path. */
export function issueText ({ path, problem }: Issue): string {
  return path === '' ? problem : `${path}: ${problem}`
}
