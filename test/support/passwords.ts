import { randomBytes } from 'node:crypto'
import t from 'tap'
import { formatSetting } from '../../lib/identity/password-hash.js'
import type { KeyRequest } from '../../lib/identity/password-key.js'
import { PasswordWorkers, type KeyJob, type KeySource } from '../../lib/identity/password-workers.js'

export const OLD_SETTING = '$scrypt$ln=14,r=8,p=1'
export const SCRYPT_SETTING = '$scrypt$ln=15,r=8,p=3'
export const ARGON2_SETTING = '$argon2id$v=19$m=19456,t=2,p=1'

/** Threads for all tests that do not end or count them. */
export const workers = new PasswordWorkers(1)
t.teardown(async () => { await workers.close() })

/** Records the requests instead of computing keys: each key has only zeros. */
export class Zeros implements KeySource {
  readonly jobs: KeyJob[] = []

  async derive (job: KeyJob): Promise<Uint8Array[]> {
    this.jobs.push(job)
    return job.requests.map(({ keyBytes }) => new Uint8Array(keyBytes))
  }

  async close (): Promise<void> {}

  /** The settings that were computed since the last call, in alphabetical order. */
  taken (): string[] {
    return this.jobs
      .splice(0)
      .flatMap(({ requests }) => requests.map(({ setting }) => formatSetting(setting)))
      .sort()
  }
}

export const zeroSalt = 'A'.repeat(22)
export const zeroKey = 'A'.repeat(43)

/** A hash that any password fits where the keys are zeros. */
export const zeroHash = (setting: string): string => `${setting}$${zeroSalt}$${zeroKey}`

export const cheap: KeyRequest = {
  setting: { algorithm: 'scrypt', N: 2, r: 1, p: 1 },
  salt: randomBytes(16),
  keyBytes: 16
}
export const job = (...requests: KeyRequest[]): KeyJob => ({ password: 'swordfish', requests })
