/** The advice after final closes, by code and reason. PROTOCOL.md, "Close codes". */
const remedies: Readonly<Record<string, string>> = {
  1002: 'the server could not read a frame: look for a proxy, or a class of WebSockets, that changes frames',
  1003: 'the server takes text, and has got a binary frame: look for a class of WebSockets that sends such',
  1007: 'the server has got a text that is no UTF-8: look for a proxy, or a class of WebSockets, that ' +
    'changes it',
  1008: 'the log of the server says why it does not want this client',
  1009: 'a message was longer than the option maxPayloadBytes of the server, or before a login than its ' +
    'connectionLimits.maxUnauthenticatedPayloadBytes: send less at once, or raise that option',
  4002: 'the session has been revoked',
  '4002 logged_out': 'another tab has logged out',
  '4002 other_user': 'tabs of several users share a connection: give `tabs` a text that differs for each',
  4003: 'the server has as many connections of this address as its option maxConnectionsPerIp allows: ' +
    'close some, share one (option `tabs`), or raise that option; behind a proxy, see realIpHeader'
}

/** Returns the text of a final close; `problem` is what went wrong before. */
export function remedyOf (code: number, reason: string, problem: string | undefined): string {
  const what = `${code} ${reason}`.trim()
  const remedy = remedies[what] ?? remedies[code]
  return `${problem === undefined ? '' : `${problem}; `}closed with ${what}: ${remedy}`
}
