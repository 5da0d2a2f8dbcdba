import { maskedTextFrame } from '../driver/frame-ring.js'
import { jsonPost } from '../driver/http-client.js'

/** Accounts that there are, with the numbers from 0, and what each has at the start. */
export const TRANSFER_ACCOUNTS = 100_000
export const OPENING_BALANCE = 1_000_000

/** How the accounts are drawn: each as likely as any other, or by Zipf's law with exponent 1.5. */
export type Distribution = 'even' | 'hot'

/** An amount that goes from one account to another. */
export interface Transfer {
  readonly from: number
  readonly to: number
  readonly amount: number
}

/** Transfers before the load begins again. */
const RING = 20_000
const EXPONENT = 1.5

/** The transfers of a load, the same in each run. */
export function drawTransfers (distribution: Distribution): Transfer[] {
  const random = seeded(distribution === 'even' ? 1 : 2)
  const draw = distribution === 'even' ? () => Math.floor(random() * TRANSFER_ACCOUNTS) : zipf(random)
  return Array.from({ length: RING }, () => {
    const from = draw()
    let to = draw()
    while (to === from) to = draw()
    return { from, to, amount: 1 + Math.floor(random() * 9) }
  })
}

/** Frames that call the procedure `transfer`; the one at `i` has the id `i + 1`. */
export function transferFrames (transfers: readonly Transfer[]): Buffer[] {
  return transfers.map((input, i) =>
    maskedTextFrame(JSON.stringify({ id: i + 1, type: 'procedures.call', name: 'transfer', input })))
}

/** HTTP requests of the same transfers. */
export function transferPosts (transfers: readonly Transfer[]): Buffer[] {
  return transfers.map(transfer => jsonPost('/transfer', JSON.stringify(transfer)))
}

/** Draws by the sums of 1 / rank ^ 1.5; the account of a rank is anywhere among all. */
function zipf (random: () => number): () => number {
  const sums = new Float64Array(TRANSFER_ACCOUNTS)
  let sum = 0
  for (let rank = 1; rank <= TRANSFER_ACCOUNTS; rank++) {
    sum += rank ** -EXPONENT
    sums[rank - 1] = sum
  }
  return () => {
    const at = random() * sum
    let [low, high] = [0, TRANSFER_ACCOUNTS - 1]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((sums[middle] as number) < at) low = middle + 1
      else high = middle
    }
    // The factor has no divisor in common with the number of accounts.
    return low * 7_919 % TRANSFER_ACCOUNTS
  }
}

/** A linear congruential generator: the load is the same each time. */
function seeded (seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}
