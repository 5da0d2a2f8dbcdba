import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { Store } from '@hamicek/noex-store'
import { noexPlugin } from '../../lib/index.js'
import { anyPort, runBody, runSample, sample } from '../support/documents.js'
import { EventClient, Events } from '../support/events.js'
import { hasProgram } from '../support/program.js'
import { until } from '../support/until.js'

async function serveSample (t: Test): Promise<{ store: Store, port: number }> {
  const { app, store } = await runSample(t, 'docs/http.md', 'routes', ['app', 'store'], anyPort) as {
    app: FastifyInstance, store: Store
  }
  t.teardown(async () => { await store.stop() })
  t.teardown(async () => { await app.close() })
  return { store, port: (app.server.address() as AddressInfo).port }
}

/** As much of the class of browsers as the sample uses. */
function eventSource (t: Test, port: number) {
  return class {
    onmessage: (event: object) => void = () => {}
    readonly #listeners = new Map<string, (event: object) => void>()

    constructor (path: string) {
      Events.open(t, port, path).then(async events => {
        for (;;) {
          const { event, data } = await events.next()
          const listener = event === 'message' ? this.onmessage : this.#listeners.get(event)
          listener?.({ data: JSON.stringify(data) })
        }
      }).catch(() => {})
    }

    addEventListener (name: string, listener: (event: object) => void): void {
      this.#listeners.set(name, listener)
    }

    close (): void {}
  }
}

t.test('the samples of a stream: its routes, and a page that shows one live query', async t => {
  const { store, port } = await serveSample(t)
  const client = await EventClient.open(t, port)
  t.match(await client.ask('store.insert', { bucket: 'orders', data: { item: 'lamp' } }), { id: 1 })
  const shown: unknown[] = []
  const given = { EventSource: eventSource(t, port), show: (data: unknown) => { shown.push(data) } }
  await runBody(sample('docs/http.md', 'event-source'), given)
  await until(() => shown.length === 1)
  await store.bucket('orders').insert({ item: 'table' })
  await until(() => shown.length === 2)
  t.match(shown, [[{ item: 'lamp' }], [{ item: 'lamp' }, { item: 'table' }]])
  store.undefineQuery('open-orders')
  await until(() => shown.length === 3)
  t.equal(shown[2], 'ended: query_undefined')
})

t.test('the sample of curl', async t => {
  if (!hasProgram(t, 'curl')) return
  const { store, port } = await serveSample(t)
  const command = sample('docs/http.md', 'curl').replace(/localhost:\d+/, `127.0.0.1:${port}`)
  const child = spawn('/bin/sh', ['-c', `exec ${command}`], { env: { ...process.env, TOKEN: 'x' } })
  t.teardown(() => { child.kill() })
  let said = ''
  child.stdout.on('data', chunk => { said += String(chunk) })
  await until(() => said.includes('data: []\n\n'))
  await store.bucket('orders').insert({ item: 'lamp' })
  await until(() => /data: \[\{.*"item":"lamp"/.test(said))
  const exited = once(child, 'exit')
  child.kill()
  await exited
  const find = 'find={"bucket":"orders"}'
  const url = `http://127.0.0.1:${port}/events`
  const listed = execFile('curl', ['-sN', '--max-time', '1', '-G', url, '--data-urlencode', find])
  let text = ''
  listed.stdout?.on('data', chunk => { text += String(chunk) })
  await once(listed, 'close')
  t.match(text, /^id: \S+\ndata: \[\{.*"item":"lamp"/)
})

t.test('the sample of a request by POST, by curl', async t => {
  if (!hasProgram(t, 'curl')) return
  const { store, port } = await serveSample(t)
  const command = sample('docs/http.md', 'rpc').replace('curl', 'curl -s')
    .replace(/localhost:\d+/, `127.0.0.1:${port}`)
  const env = { ...process.env, TOKEN: 'none' }
  for (let round = 0; round < 2; round++) {
    const { stdout } = await promisify(execFile)('/bin/sh', ['-c', command], { env })
    t.match(JSON.parse(stdout), { id: 0, type: 'result', data: { id: 1, item: 'lamp' } })
  }
  t.equal(await store.bucket('orders').count(), 1, 'the key is that of the first')
})

t.test('the sample of a route that calls an operation', async t => {
  const { store } = await serveSample(t)
  const app = Fastify()
  t.teardown(async () => { await app.close() })
  await app.register(noexPlugin, { store })
  await runBody(sample('docs/http.md', 'call'), { app })
  const made = await app.inject({ method: 'POST', url: '/orders', payload: { item: 'lamp' } })
  t.match([made.statusCode, made.json()], [201, { id: 1, item: 'lamp' }])
  const refused = await app.inject({ method: 'POST', url: '/orders', payload: {} })
  t.match([refused.statusCode, refused.json()], [400, { message: /item: Field is required/ }])
})
