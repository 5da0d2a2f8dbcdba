/** Keeps which settings the password hashes of all users have. */
export class HashSettings {
  /** Returns the setting of a hash; `undefined` for a hash that cannot be checked. */
  #settingOf: (hash: string) => string | undefined = () => undefined
  readonly #byUser = new Map<string, string>()
  readonly #counts = new Map<string, number>()

  /** Settings of the hashes of all users, each once. */
  get inUse (): Iterable<string> {
    return this.#counts.keys()
  }

  /** Sets the function that returns the setting of a hash, and adds the hashes of `users`. */
  start (
    settingOf: (hash: string) => string | undefined,
    users: Iterable<{ readonly id: string, readonly passwordHash: string }>
  ): void {
    this.#settingOf = settingOf
    for (const { id, passwordHash } of users) this.set(id, passwordHash)
  }

  set (userId: string, hash: string): void {
    this.delete(userId)
    const setting = this.#settingOf(hash)
    if (setting === undefined) return
    this.#byUser.set(userId, setting)
    this.#counts.set(setting, (this.#counts.get(setting) ?? 0) + 1)
  }

  clear (): void {
    this.#byUser.clear()
    this.#counts.clear()
  }

  delete (userId: string): void {
    const setting = this.#byUser.get(userId)
    if (setting === undefined) return
    this.#byUser.delete(userId)
    const left = (this.#counts.get(setting) as number) - 1
    if (left === 0) this.#counts.delete(setting)
    else this.#counts.set(setting, left)
  }
}
