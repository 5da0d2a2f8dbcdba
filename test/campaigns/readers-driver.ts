// The healthy clients of hostile-readers.campaign.ts, and the one that writes. Records carry the time at
// which their write was sent, by the clock that all processes of the machine share.
import { Client } from '../../bench/driver/client.js'
import { answerBy } from './child-program.js'

const PUSH = '"type":"push"'
const AT = '"at":'

const nowMicros = (): number => Number(process.hrtime.bigint() / 1_000n)

/** Milliseconds from a write to its push, since they were last asked for. */
let latencies: number[] = []
let replies = 0
let writes = 0

function onMessage (bytes: Buffer, start: number, end: number): void {
  const text = bytes.toString('latin1', start, Math.min(end, start + 400))
  if (!text.includes(PUSH)) {
    replies++
    return
  }
  const from = text.indexOf(AT) + AT.length
  latencies.push((nowMicros() - Number.parseInt(text.slice(from, from + 20), 10)) / 1_000)
}

/** Encodes a text frame with a mask of zeros, so that large ones cost nothing here. */
function frame (text: string): Buffer {
  const payload = Buffer.from(text, 'latin1')
  const head =
    payload.length < 126
      ? Buffer.from([0x81, 0x80 | payload.length])
      : Buffer.from([0x81, 0xfe, payload.length >> 8, payload.length & 0xff])
  return Buffer.concat([head, Buffer.alloc(4), payload])
}

const clients: Client[] = []
let writer: Client | undefined
let timer: NodeJS.Timeout | undefined

answerBy({
  /**
   * Opens clients, each of which watches the desk with its number from `from` on, or all of them one desk.
   */
  async watch ({ port, count, from, key }: { port: number, count: number, from: number, key?: string }) {
    for (let i = 0; i < count; i++) {
      const client = await Client.open(port)
      client.onMessage = onMessage
      client.send(
        frame(
          JSON.stringify({
            id: 1,
            type: 'store.subscribe',
            query: 'desk',
            params: { key: key ?? String(from + i) }
          })
        )
      )
      clients.push(client)
    }
  },

  /**
   * Writes at a steady rate: desks of readers in turn, and in between, `stoppedShare` of all, large records
   * for the desks of those who stop.
   */
  async write ({
    port,
    rate,
    readers,
    stoppers,
    stoppedShare,
    bytes,
    stoppedBytes,
    key
  }: {
    port: number
    rate: number
    readers: number
    stoppers: number
    stoppedShare: number
    bytes: number
    stoppedBytes: number
    key?: string
  }) {
    writer ??= await Client.open(port)
    writer.onMessage = onMessage
    const filler = 'x'.repeat(bytes)
    const largeFiller = 'x'.repeat(stoppedBytes)
    let sent = 0
    let large = 0
    const began = performance.now()
    clearInterval(timer)
    timer = setInterval(() => {
      const due = Math.floor((performance.now() - began) * rate / 1_000)
      for (; sent < due; sent++) {
        const isLarge = stoppers > 0 && Math.floor((sent + 1) * stoppedShare) > large
        if (isLarge) large++
        const target = key ?? String(isLarge ? readers + large % stoppers : (sent - large) % readers)
        writer?.send(frame(
          `{"id":2,"type":"store.update","bucket":"desks","key":"${target}",` +
            `"data":{"at":${nowMicros()},"filler":"${isLarge ? largeFiller : filler}"}}`
        ))
        writes++
      }
    }, 1)
  },

  pause () { clearInterval(timer) },

  /** Returns the figures since the last call. */
  figures () {
    const sorted = Float64Array.from(latencies).sort()
    const at = (share: number): number =>
      sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN
    const figures = { pushes: sorted.length, writes, replies, p50: at(0.5), p99: at(0.99), max: at(1) }
    latencies = []
    writes = 0
    replies = 0
    return figures
  },

  leave () {
    for (const client of clients.splice(0)) client.reset()
  }
})
