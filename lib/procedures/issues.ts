/** Issues that are collected of one definition; what is wrong beyond them shows when these are mended. */
const MAX_ISSUES = 100

/** Something that is wrong with a definition; `path` is empty for the definition as a whole. */
export interface Issue {
  readonly path: string
  readonly problem: string
}

/** What is wrong with a definition, as far as it has been looked at. */
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

/** An issue in words, which begin with the path. */
export function issueText ({ path, problem }: Issue): string {
  return path === '' ? problem : `${path}: ${problem}`
}
