import { readAddress } from '../handshake/client-address.js'

/** Whether only this machine can reach what listens on `host`: an address, or the name `localhost`. */
export function isLoopback (host: string): boolean {
  const address = readAddress(host)
  if (address === undefined) return host.toLowerCase() === 'localhost'
  return address === '::1' || address.startsWith('127.')
}
