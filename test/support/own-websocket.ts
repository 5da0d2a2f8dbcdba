import websocket, { type WebsocketPluginOptions } from '@fastify/websocket'
import type { Test } from 'tap'
import type { NoexOptions } from '../../lib/index.js'
import { serve, type Served } from './service.js'
import { logInto, type LogLine } from './log-into.js'

export async function serveBesideOwn (
  t: Test,
  own: WebsocketPluginOptions,
  options: Omit<NoexOptions, 'store'> = {},
  lines: LogLine[] = []
): Promise<Served> {
  return await serve(t, options, {
    fastify: { logger: logInto(lines), handlerTimeout: 300 },
    before: async app => {
      await app.register(websocket, own)
      app.get('/own', { websocket: true }, socket => {
        socket.on('message', data => {
          socket.send(`own ${String(data)}`)
        })
      })
    }
  })
}
