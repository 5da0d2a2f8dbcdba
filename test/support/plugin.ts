import { once } from 'node:events'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import type { Test } from 'tap'
import { TestClient } from './client.js'

/** An application that closes with the test and is set up by it. */
export async function buildApp (
  t: Test, setUp: (app: FastifyInstance) => Promise<unknown>, options: FastifyServerOptions = {}
): Promise<FastifyInstance> {
  const app = Fastify({ forceCloseConnections: true, ...options })
  t.teardown(async () => { await app.close() })
  await setUp(app)
  await app.ready()
  return app
}

/** Resolves with the status that an upgrade is refused with. */
export async function refusedStatus (
  t: Test,
  url: string,
  headers: Record<string, string> = {}
): Promise<number> {
  const client = TestClient.raw(t, url, { headers })
  const [, response] = await once(client.ws, 'unexpected-response') as [unknown, { statusCode: number }]
  return response.statusCode
}
