// tRPC 11 over its WebSocket adapter: queries, mutations, and subscriptions that are async generators over an
// EventEmitter, as its documentation has them. Inputs are taken as they are, like those of the other servers
// that are compared with.
import { EventEmitter, on } from 'node:events'
import { initTRPC } from '@trpc/server'
import { applyWSSHandler } from '@trpc/server/adapters/ws'
import { WebSocketServer } from 'ws'
import { get, insert, update } from '../../dist/bench/servers/bare-records.js'
import { reportTo } from '../../dist/bench/servers/control.js'

const changes = new EventEmitter().setMaxListeners(0)
const t = initTRPC.create()
const procedure = t.procedure.input(input => input)
const router = t.router({
  get: procedure.query(({ input }) => get(input.bucket, input.key)),
  insert: procedure.mutation(({ input }) => insert(input.bucket, input.data)),
  update: procedure.mutation(({ input }) => {
    const row = update(input.bucket, input.key, input.data)
    changes.emit(input.bucket, row)
    return row
  }),
  watch: procedure.subscription(async function * ({ input, signal }) {
    for await (const [row] of on(changes, input.list, { signal })) yield row
  })
})

const wss = new WebSocketServer({ port: 0, host: '127.0.0.1' })
applyWSSHandler({ wss, router })
wss.on('listening', () => { reportTo(wss.address().port) })
