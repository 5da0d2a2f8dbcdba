// The reader of greedy-reader.campaign.ts: subscribes as often as it may, with parameters of its own each
// time, and reads what it is sent without a look at it.
import WebSocket from 'ws'
import { answerBy } from './child-program.js'

const sockets = new Set<WebSocket>()
let bytes = 0
let pushes = 0
let junk = 0
/** Refusals by their messages without figures. */
let refused: Record<string, number> = {}
let subscribed = 0
let ended = 0

async function connect (port: number): Promise<WebSocket> {
  const ws = new WebSocket(`ws://127.0.0.1:${port}`, { maxPayload: 2 ** 30 })
  await new Promise((resolve, reject) => { ws.once('message', resolve).once('error', reject) })
  sockets.add(ws)
  ws.on('close', () => { sockets.delete(ws) })
  ws.on('message', data => { count(ws, data as Buffer) })
  return ws
}

function count (ws: WebSocket, data: Buffer): void {
  bytes += data.length
  const head = data.toString('latin1', 0, 300)
  if (head.includes('"type":"push"')) pushes++
  else if (head.includes('subscription_closed')) ended++
  else if (head.includes('"type":"ping"')) ws.send(head.replace('ping', 'pong'))
}

/** Subscribes one after the other; returns whether the last one was accepted. */
async function subscribe (ws: WebSocket, fields: object): Promise<boolean> {
  const id = ++junk
  ws.send(JSON.stringify({ id, type: 'store.subscribe', ...fields }))
  return await new Promise(resolve => {
    const onMessage = (data: Buffer): void => {
      const head = data.toString('latin1', 0, 300)
      if (!head.startsWith(`{"id":${id},`)) return
      ws.off('message', onMessage)
      const isRefused = head.includes('"type":"error"')
      if (isRefused) {
        const problem = head.slice(0, 200).replace(/\d+/g, 'N')
        refused[problem] = (refused[problem] ?? 0) + 1
      } else {
        subscribed++
      }
      resolve(!isRefused)
    }
    ws.on('message', onMessage)
    ws.once('close', () => { resolve(false) })
  })
}

answerBy({
  /** Opens connections, and subscribes on each until three in a row are refused. */
  async grab ({ port, kind, delta, connections, each }: {
    port: number, kind: string, delta: boolean, connections: number, each: number
  }) {
    await Promise.all(Array.from({ length: connections }, async () => {
      const ws = await connect(port)
      let failures = 0
      for (let i = 0; i < each && failures < 3; i++) {
        const watched = kind === 'find'
          ? { find: { bucket: 'rows', filter: { id: { $neq: `row-${junk}` } } } }
          : { query: kind, params: { junk, more: 'x'.repeat(10_000) } }
        failures = await subscribe(ws, { ...watched, ...(delta && { delta }) }) ? 0 : failures + 1
      }
    }))
  },
  figures () {
    const figures = { connections: sockets.size, subscribed, ended, refused, pushes, bytes }
    bytes = pushes = 0
    refused = {}
    return figures
  },
  leave () {
    for (const ws of sockets) ws.terminate()
    subscribed = ended = 0
  }
})
