import { isIP } from 'node:net'
import { plainAddress } from '../access/client-address.js'

/** Whether only this machine can reach what listens on `host`: an address, or the name `localhost`. */
export function isLoopback (host: string): boolean {
  const plain = plainAddress(host.replace(/^\[(.*)\]$/, '$1'))
  if (isIP(plain) === 0) return plain.toLowerCase() === 'localhost'
  return plain === '::1' || plain.startsWith('127.')
}
