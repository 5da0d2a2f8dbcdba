import { FrameRing } from '../driver/frame-ring.js'

/** Accounts that the server with built-in identity has. */
export const ACCOUNTS = 100

/** The token with which the first of them is logged in. */
export const TOKEN = 'a-token-for-benchmarks-only'

export function accountName (index: number): string {
  return `account-${index}`
}

/** Logs in with a token. */
export const logIn = new FrameRing([JSON.stringify({ id: 1, type: 'auth.login', token: TOKEN })])

/** Tries a wrong password for an account, which need not exist. */
export function guess (username: string): string {
  return JSON.stringify({ id: 1, type: 'identity.login', username, password: 'wrong horse battery staple' })
}
