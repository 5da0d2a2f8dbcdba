// The crowd of hostile-unauthenticated.campaign.ts: WebSockets that never log in, requests whose heads never
// end, and logins. Each comes from an address of the network 127.0.0.0/8, so that what holds for an address
// does not refuse them all.
import { connect, type Socket } from 'node:net'
import { upgradeHeaders } from '../support/raw-socket.js'
import { answerBy } from './child-program.js'

/** Longest time before a client connects again, in milliseconds. */
const PAUSE_MS = 1_000
const LINE_MS = 2_000

const upgrade = (port: number): string =>
  ['GET / HTTP/1.1', `Host: 127.0.0.1:${port}`, ...upgradeHeaders, '', ''].join('\r\n')

/** How often each thing has happened. */
const counts = new Map<string, number>()
const count = (what: string): void => { counts.set(what, (counts.get(what) ?? 0) + 1) }

function frame (text: string): Buffer {
  const payload = Buffer.from(text)
  const head =
    payload.length < 126
      ? Buffer.from([0x81, 0x80 | payload.length])
      : Buffer.from([0x81, 0xfe, payload.length >> 8, payload.length & 0xff])
  return Buffer.concat([head, Buffer.alloc(4), payload])
}

const addressOf = (network: number, index: number): string =>
  `127.${network}.${index >> 8}.${index & 255 || 255}`

/** A connection of its own address, which counts its answers and connects again when it has ended. */
function openUnauthenticated (port: number, localAddress: string): void {
  const socket = connect({ port, host: '127.0.0.1', localAddress })
  let answer = ''
  socket.write(upgrade(port))
  socket.on('data', chunk => {
    const text = chunk.toString('latin1')
    if (answer === '') count(`unauthenticated answered ${answer = text.slice(9, 12)}`)
    const reason = /login_timeout|too_many_connections/.exec(text)?.[0]
    if (reason !== undefined) count(`unauthenticated closed with ${reason}`)
  })
  // It answers the server's close frame by ending its half.
  socket.on('end', () => { socket.end() })
  again(socket, () => { openUnauthenticated(port, localAddress) })
}

/** Sends a head that never ends, line by line. */
function slowHead (port: number, localAddress: string): void {
  const socket = connect({ port, host: '127.0.0.1', localAddress })
  socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n')
  const timer = setInterval(() => { socket.write('X-Line: x\r\n') }, LINE_MS)
  socket.on('data', chunk => { count(`slow heads answered ${chunk.toString('latin1').slice(9, 12)}`) })
  socket.on('close', () => { clearInterval(timer) })
  again(socket, () => { slowHead(port, localAddress) })
}

function again (socket: Socket, come: () => void): void {
  socket.on('error', () => {})
  socket.on('close', () => { setTimeout(come, Math.random() * PAUSE_MS) })
}

/** Connects, tries to log in, counts what is answered, and leaves. */
function logIn (port: number, localAddress: string, username: string, password: string): void {
  const socket = connect({ port, host: '127.0.0.1', localAddress })
  const began = performance.now()
  let received = ''
  socket.write(upgrade(port))
  socket.on('error', () => {})
  socket.on('data', chunk => {
    const hadWelcome = received.includes('"welcome"')
    received += chunk.toString('latin1')
    if (!hadWelcome && received.includes('"welcome"')) {
      socket.write(frame(JSON.stringify({ id: 1, type: 'identity.login', username, password })))
    }
    const reply = /"type":"(?:result|error","code":"(\w+))"/.exec(received)
    if (reply === null) return
    count(`logins ${reply[1] ?? 'succeeded'}`)
    if (reply[1] === undefined) logins.push(performance.now() - began)
    socket.destroy()
  })
  socket.on(
    'close',
    () => { if (!received.includes('"welcome"')) count(`logins refused ${received.slice(9, 12)}`) }
  )
}

/** Milliseconds that successful logins took. */
let logins: number[] = []

answerBy({
  /**
   * Opens connections that never log in, `perAddress` from each address of `127.<network>.0.0/16`, a few
   * hundred a second.
   */
  async unauthenticated ({
    port,
    amount,
    perAddress,
    network
  }: {
    port: number
    amount: number
    perAddress: number
    network: number
  }) {
    for (let i = 0; i < amount; i++) {
      openUnauthenticated(port, addressOf(network, Math.floor(i / perAddress)))
      if (i % 20 === 19) await new Promise(resolve => setTimeout(resolve, 25))
    }
  },

  async slowHeads ({ port, amount }: { port: number, amount: number }) {
    for (let i = 0; i < amount; i++) {
      slowHead(port, addressOf(3, Math.floor(i / 20)))
      if (i % 20 === 19) await new Promise(resolve => setTimeout(resolve, 25))
    }
  },

  /**
   * Attempts at a steady rate, each from the next of 1,000 addresses; one of `oneRightIn` has the right
   * password, the others are for 100 of the accounts.
   */
  logins ({ port, rate, oneRightIn }: { port: number, rate: number, oneRightIn: number }) {
    const began = performance.now()
    let sent = 0
    setInterval(() => {
      for (const due = Math.floor((performance.now() - began) * rate / 1_000); sent < due; sent++) {
        const isRight = sent % oneRightIn === 0
        const account = isRight ? 100 + sent / oneRightIn % 300 : sent % 100
        logIn(
          port,
          addressOf(isRight ? 5 : 4, sent % 1_000),
          `account-${account}`,
          isRight ? 'correct horse battery staple' : 'wrong horse battery staple'
        )
      }
    }, 10)
  },

  /** Returns the counts since the last call. */
  figures () {
    const sorted = Float64Array.from(logins).sort()
    const figures = {
      ...Object.fromEntries([...counts].sort()),
      'ms of a login, p50': sorted[sorted.length >> 1],
      'ms of a login, p99': sorted[Math.floor(sorted.length * 0.99)]
    }
    counts.clear()
    logins = []
    return figures
  }
})
