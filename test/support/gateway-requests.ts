import type { GatewayOptions } from '../../lib/handshake/gateway-options.js'

export const SECRET = 'a secret of the gateway'.replaceAll(' ', '-')

export const plain: GatewayOptions = {
  userHeader: 'X-Forwarded-User',
  rolesHeader: 'X-Forwarded-Groups',
  trustedProxies: ['10.0.0.0/8', 'fd00::1']
}
export const withSecret: GatewayOptions = { ...plain, secretHeader: 'X-Gateway-Secret', secret: SECRET }

export const trusted = ['10.0.0.1', '::ffff:10.0.0.1', '::FFFF:a00:1', 'fd00::1', 'fd00:0:0::1%eth0']
export const untrusted = [
  '11.0.0.1', '::ffff:11.0.0.1', '127.0.0.1', '::1', '::a00:1', 'fd00::2', 'unknown', '', undefined
]

/** Spellings that some program on the way takes for the same header. */
export const otherSpellings = [
  'X_Forwarded_User', 'x_forwarded_user', 'X.Forwarded.User', 'XForwardedUser', 'X-Forwarded_User',
  'X_Forwarded-User', 'X.Forwarded_User',
  'X--Forwarded-User', 'X-Forwarded-User-', '-X-Forwarded-User', 'X-Forwarded-User_', 'X-For-Warded-User',
  'X~Forwarded!User', 'XFORWARDEDUSER'
]

export const noUser = { refused: 401, reason: 'header "X-Forwarded-User" names no user' }

/** A value as a line of the report can show it. */
export function shown (value: string): string {
  return JSON.stringify(value.slice(0, 60)).replace(
    /[^ -~]/g,
    char => `\\u${char.charCodeAt(0).toString(16)}`
  )
}
