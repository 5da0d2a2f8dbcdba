import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { answer, type BareRequest } from './bare-answers.js'
import { reportTo } from './control.js'
import { RowWatchers } from './row-watchers.js'
import { textFrame } from './text-frame.js'
import { welcome } from './welcome.js'

/**
 * The floor: what the work costs on sockets of Node without any library. It knows just the frames that the
 * load consists of, masked texts below 64 KiB, and answers all that have arrived together by one write; a
 * push is framed once for all that watch.
 */
const ACCEPT_SUFFIX = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
const TEXT = 0x81
const watchers = new RowWatchers<Socket>()

const server = createServer({ noDelay: true }, socket => {
  let rest: Buffer = Buffer.alloc(0)
  let isUpgraded = false
  socket.on('error', () => {})
  socket.on('close', () => { watchers.delete(socket) })
  socket.on('data', (chunk: Buffer) => {
    let bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    if (!isUpgraded) {
      const end = bytes.indexOf('\r\n\r\n')
      if (end === -1) {
        rest = bytes
        return
      }
      upgrade(socket, bytes.toString('latin1', 0, end))
      isUpgraded = true
      bytes = bytes.subarray(end + 4)
    }
    const read = answerAll(socket, bytes)
    rest = read === bytes.length ? Buffer.alloc(0) : Buffer.from(bytes.subarray(read))
  })
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
reportTo((server.address() as AddressInfo).port)

function upgrade (socket: Socket, head: string): void {
  const key = /^sec-websocket-key: *(.*)$/im.exec(head)?.[1] ?? ''
  const accept = createHash('sha1').update(`${key}${ACCEPT_SUFFIX}`).digest('base64')
  socket.cork()
  socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
    `Sec-WebSocket-Accept: ${accept}\r\n\r\n`)
  socket.write(textFrame(welcome()))
  socket.uncork()
}

/** Answers the whole frames in `bytes`; returns where the rest begins. */
function answerAll (socket: Socket, bytes: Buffer): number {
  const frames: Buffer[] = []
  let start = 0
  while (bytes.length - start >= 6) {
    const short = (bytes[start + 1] as number) & 0x7f
    const mask = start + (short < 126 ? 2 : 4)
    const length = short < 126 ? short : bytes.readUInt16BE(start + 2)
    const payload = mask + 4
    if (payload + length > bytes.length) break
    // A close; the client ends the socket itself.
    if (bytes[start] !== TEXT) {
      socket.end()
      break
    }
    for (let i = 0; i < length; i++) {
      bytes[payload + i] = (bytes[payload + i] as number) ^ (bytes[mask + (i & 3)] as number)
    }
    const request = JSON.parse(bytes.toString('utf8', payload, payload + length)) as BareRequest
    const data = answer(request)
    frames.push(textFrame(JSON.stringify({ id: request.id, type: 'result', data })))
    if (request.type === 'store.subscribe') watchers.add(request.query, socket)
    else watchers.publish(request, data)
    start = payload + length
  }
  if (frames.length > 0) socket.write(frames.length === 1 ? frames[0] as Buffer : Buffer.concat(frames))
  return start
}
