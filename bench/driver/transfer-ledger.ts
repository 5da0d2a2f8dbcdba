import { OPENING_BALANCE, TRANSFER_ACCOUNTS, type Transfer } from '../workload/transfers.js'

/** How the balances differ from the answers. */
export interface Audit {
  /** The difference of the total from what it was at the start. */
  readonly totalOff: number
  /** Accounts that do not have what the answered transfers have left there. */
  readonly accountsOff: number
}

/** Keeps what was asked of one server and what it has answered. */
export class TransferLedger {
  readonly #answered = new Float64Array(TRANSFER_ACCOUNTS).fill(OPENING_BALANCE)
  /** Amounts that transfers without an answer could take from each account, and bring to it. */
  readonly #openDebits = new Float64Array(TRANSFER_ACCOUNTS)
  readonly #openCredits = new Float64Array(TRANSFER_ACCOUNTS)
  refused = 0

  noteSent ({ from, to, amount }: Transfer): void {
    this.#openDebits[from] = (this.#openDebits[from] as number) + amount
    this.#openCredits[to] = (this.#openCredits[to] as number) + amount
  }

  noteAnswer (transfer: Transfer, succeeded: boolean): void {
    const { from, to, amount } = transfer
    this.#openDebits[from] = (this.#openDebits[from] as number) - amount
    this.#openCredits[to] = (this.#openCredits[to] as number) - amount
    if (!succeeded) {
      this.refused++
      return
    }
    this.#answered[from] = (this.#answered[from] as number) - amount
    this.#answered[to] = (this.#answered[to] as number) + amount
  }

  /** Compares the balances with what was answered; what was not may have been done or not. */
  audit (balances: readonly number[]): Audit {
    let total = 0
    let accountsOff = 0
    for (let account = 0; account < TRANSFER_ACCOUNTS; account++) {
      const balance = balances[account] ?? NaN
      const difference = balance - (this.#answered[account] as number)
      total += balance
      const isPossible = difference >= -(this.#openDebits[account] as number) &&
        difference <= (this.#openCredits[account] as number)
      if (!isPossible) accountsOff++
    }
    return { totalOff: total - TRANSFER_ACCOUNTS * OPENING_BALANCE, accountsOff }
  }
}
