// The clients of hostile-readers.campaign.ts that stop reading: they subscribe, and at a word, one after the
// other, read no more. The kernel takes some megabytes for each before the server notices anything, so each
// asks for its record many times when it stops.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { upgradeHeaders } from '../support/raw-socket.js'
import { answerBy } from './child-program.js'

/** More than the kernel keeps, in records of 60 kB. */
const REQUESTS = 120
const PONG = frame('{"type":"pong","timestamp":0}')

const clients: Array<{ readonly socket: Socket, readonly key: string }> = []

function frame (text: string): Buffer {
  const payload = Buffer.from(text)
  return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]), payload])
}

answerBy({
  async watch ({ port, count, from }: { port: number, count: number, from: number }) {
    for (let i = 0; i < count; i++) {
      const socket = connect({ port, host: '127.0.0.1' })
      socket.on('error', () => {})
      socket.write(
        ['GET / HTTP/1.1', `Host: 127.0.0.1:${port}`, ...upgradeHeaders, '', ''].join('\r\n')
      )
      await once(socket, 'data')
      socket.write(
        frame(
          JSON.stringify({ id: 1, type: 'store.subscribe', query: 'desk', params: { key: String(from + i) } })
        )
      )
      socket.on('data', chunk => { if (chunk.includes('"type":"ping"')) socket.write(PONG) })
      clients.push({ socket, key: String(from + i) })
    }
  },
  async stop ({ everyMs }: { everyMs: number }) {
    for (const { socket, key } of clients) {
      socket.pause()
      fill(socket, key).catch(() => {})
      await sleep(everyMs)
    }
  }
})

/**
 * Asks little by little: a burst would tell how long the server serves one client, and not what it costs that
 * one stops.
 */
async function fill (socket: Socket, key: string): Promise<void> {
  const request = frame(JSON.stringify({ id: 2, type: 'store.get', bucket: 'desks', key }))
  for (let i = 0; i < REQUESTS; i++) {
    socket.write(request)
    await sleep(5)
  }
}
