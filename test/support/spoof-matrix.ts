import { connect as connectTcp, type AddressInfo } from 'node:net'
import { connect as connectTls } from 'node:tls'
import Fastify from 'fastify'
import type { Test } from 'tap'
import { noexPlugin, type NoexOptions } from '../../lib/index.js'
import { startStore } from './service.js'
import { upgradeHeaders } from './raw-socket.js'
import { gatewaySecret, honest, type Attempt } from './spoof-attempts.js'
import { proxyKinds, startProxy, type Proxy } from './proxy.js'
import type { Replacement } from './shipped-file.js'

/** Where the clients of the matrix are: neither where the proxies are, nor any address that they claim. */
const CLIENT = '127.0.0.7'
const PROXY = '127.0.0.1'
/** An address without a host. A service that trusts it trusts neither the proxies nor the clients. */
const ELSEWHERE = '10.9.8.7'
/** Of the page that the clients come from, which is the right one. */
const ORIGIN = 'https://localhost'
const PATIENCE_MS = 10_000
/** The user that a proxy names which logs users in. */
const USER = 'ann'

/** How a service learns who its clients are. */
type Service = 'realIpHeader' | 'trustProxy' | 'gateway'
const services: readonly Service[] = ['realIpHeader', 'trustProxy', 'gateway']

/** The client as a service sees it. */
interface Seen {
  readonly address: string
  readonly user: string | null
  readonly roles: readonly string[]
  readonly scheme: string
  readonly host: string
}

/** One service and what it has noticed. */
interface Desk {
  readonly port: number
  /** Requests that have come as far as the service. */
  arrived: number
  /** Entries of refused upgrades in its audit trail. */
  recorded: number
  /** Returns the client of the newest connection as the service sees it. */
  readonly seen: () => Seen
}

/** A way from the client to a service, and what is true of a client that comes by it. */
interface Route {
  readonly title: string
  readonly desk: Desk
  /** `undefined` where the client talks to the service itself. */
  readonly proxy: Proxy | undefined
  /** `undefined` where no client may be let in. */
  readonly truth: Seen | undefined
}

/** The outcome of a matrix. */
export interface Outcome {
  /** Requests that were sent. */
  attempts: number
  /** Let in, and taken for who they are. */
  harmless: number
  /** Refused by the service, with an entry in its audit trail. */
  recorded: number
  /** Refused by the service without an entry: each is described. */
  readonly unrecorded: string[]
  /** Refused before the service had a request: by a proxy, or by Node. */
  stopped: number
  /** Taken for another client: each is described. */
  readonly accepted: string[]
  /** Ways by which an honest client should come in, and none did. */
  readonly blocked: string[]
}

export interface MatrixSettings {
  readonly attempts: readonly Attempt[]
  /** Changes of nginx.conf, to see that the matrix finds what they open. */
  readonly nginxChanges?: readonly Replacement[]
}

/**
 * Sends all attempts to all services, by all ways: directly, and through both proxies whether they are
 * trusted or not.
 */
export async function runMatrix (t: Test, { attempts, nginxChanges = [] }: MatrixSettings): Promise<Outcome> {
  const outcome: Outcome = {
    attempts: 0,
    harmless: 0,
    recorded: 0,
    unrecorded: [],
    stopped: 0,
    accepted: [],
    blocked: []
  }
  const lanes = await Promise.all(services.map(async service => await routesTo(t, service, nginxChanges)))
  // One after the other within a lane: the newest connection of a desk is that of the attempt.
  await Promise.all(lanes.flat().map(async lane => {
    for (const route of lane) {
      for (const attempt of [honest, ...attempts]) await tryOne(route, attempt, outcome)
    }
  }))
  return outcome
}

async function routesTo (
  t: Test,
  service: Service,
  nginxChanges: readonly Replacement[]
): Promise<Route[][]> {
  const [trusting, other] = await Promise.all([
    startDesk(t, service, PROXY),
    startDesk(t, service, ELSEWHERE)
  ])
  const anonymous = { user: null, roles: [] }
  const direct = { address: CLIENT, scheme: 'http', host: 'localhost', ...anonymous }
  const proxied = {
    address: CLIENT,
    scheme: service === 'trustProxy' ? 'https' : 'http',
    host: 'localhost',
    ...anonymous
  }
  const lane: Route[] = [
    {
      title: `${service}, directly`,
      desk: trusting,
      proxy: undefined,
      truth: service === 'gateway' ? undefined : direct
    }
  ]
  const otherLane: Route[] = []
  for (const kind of proxyKinds) {
    const changes = kind === 'nginx' ? nginxChanges : []
    const [trusted, untrusted] = (await Promise.all(
      [trusting, other].map(async ({ port }) => await startProxy(t, kind, { upstreams: [port], changes }))
    )) as [Proxy, Proxy]
    lane.push({
      title: `${service}, ${kind}`,
      desk: trusting,
      proxy: trusted,
      truth: service === 'gateway' ? undefined : proxied
    })
    otherLane.push({
      title: `${service}, ${kind}, untrusted`,
      desk: other,
      proxy: untrusted,
      truth: service === 'gateway' ? undefined : { ...direct, address: PROXY }
    })
    if (service !== 'gateway') continue
    const gateway = await startProxy(t, kind, { upstreams: [trusting.port], changes: logsIn[kind] })
    lane.push({
      title: `${service}, ${kind} that logs in`,
      desk: trusting,
      proxy: gateway,
      truth: { ...proxied, address: PROXY, user: USER, roles: ['user'] }
    })
  }
  return [lane, otherLane]
}

/** The changes in the file of a proxy that logs users in. */
const logsIn: Readonly<Record<Proxy['kind'], readonly Replacement[]>> = {
  nginx: [
    ['X-Forwarded-User ""', `X-Forwarded-User ${USER}`],
    ['X-Forwarded-Groups ""', 'X-Forwarded-Groups user'],
    ['X-Gateway-Secret ""', `X-Gateway-Secret ${gatewaySecret}`]
  ],
  caddy: [
    ['-X-Forwarded-User\n', `X-Forwarded-User ${USER}\n`],
    ['-X-Forwarded-Groups\n', 'X-Forwarded-Groups user\n'],
    ['-X-Gateway-Secret\n', `X-Gateway-Secret ${gatewaySecret}\n`]
  ]
}

async function startDesk (t: Test, service: Service, trusted: string): Promise<Desk> {
  const store = await startStore(t)
  const app = Fastify({
    forceCloseConnections: true,
    ...(service === 'trustProxy' && { trustProxy: trusted })
  })
  t.teardown(async () => { await app.close() })
  let request = { scheme: '', host: '' }
  app.addHook('onRequest', async ({ protocol, hostname, url }) => {
    // Proxies also ask whether the service is ready.
    if (url === '/readyz') return
    desk.arrived += 1
    request = { scheme: protocol, host: hostname }
  })
  await app.register(noexPlugin, {
    ...optionsOf(service, trusted),
    store,
    audit: { logLevel: 'silent', onEntry }
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const desk: Desk = {
    port: (app.server.address() as AddressInfo).port,
    arrived: 0,
    recorded: 0,
    seen () {
      const connection = app.noex.getConnections().at(-1)
      if (connection === undefined) throw new Error('there is no connection')
      return {
        address: connection.remoteAddress,
        user: connection.userId ?? null,
        roles: connection.roles ?? [],
        ...request
      }
    }
  }
  return desk

  function onEntry ({ operation, result }: { readonly operation: string, readonly result: string }): void {
    if (operation === 'connection.refuse' && result === 'error') desk.recorded += 1
  }
}

function optionsOf (service: Service, trusted: string): Omit<NoexOptions, 'store'> {
  if (service === 'trustProxy') return {}
  if (service === 'realIpHeader') return { realIpHeader: 'X-Real-IP', trustedProxies: [trusted] }
  return {
    allowedOrigins: [ORIGIN],
    auth: {
      gateway: {
        userHeader: 'X-Forwarded-User',
        rolesHeader: 'X-Forwarded-Groups',
        trustedProxies: [trusted],
        secretHeader: 'X-Gateway-Secret',
        secret: gatewaySecret
      },
      permissions: { default: 'deny' }
    }
  }
}

async function tryOne (
  { title, desk, proxy, truth }: Route,
  attempt: Attempt,
  outcome: Outcome
): Promise<void> {
  const { arrived, recorded } = desk
  outcome.attempts += 1
  const answer = await send(proxy?.port ?? desk.port, proxy !== undefined, attempt)
  const isIn = answer.startsWith('HTTP/1.1 101 ')
  if (attempt === honest && isIn !== (truth !== undefined)) outcome.blocked.push(`${title}: ${answer}`)
  const described = `${title}: ${attempt.title}: ${answer.slice(0, 12)}`
  if (isIn) {
    const seen = desk.seen()
    if (truth !== undefined && isSame(seen, truth)) outcome.harmless += 1
    else outcome.accepted.push(`${described} ${JSON.stringify(seen)}`)
  } else if (desk.arrived === arrived) outcome.stopped += 1
  else if (desk.recorded > recorded) outcome.recorded += 1
  else outcome.unrecorded.push(described)
}

function isSame (a: Seen, b: Seen): boolean {
  return (
    a.address === b.address &&
    a.user === b.user &&
    String(a.roles) === String(b.roles) &&
    a.scheme === b.scheme &&
    a.host === b.host
  )
}

/** Sends an upgrade request byte by byte. Resolves with the answer, and the welcome if there is one. */
async function send (port: number, isTls: boolean, { headers, connection }: Attempt): Promise<string> {
  const target = { port, host: '127.0.0.1', localAddress: CLIENT }
  const socket = isTls
    ? connectTls({ ...target, servername: 'localhost', rejectUnauthorized: false })
    : connectTcp(target)
  // What makes it an upgrade comes first: of many headers, Node keeps the first.
  const lines = [
    'GET / HTTP/1.1',
    'Host: localhost',
    `Origin: ${ORIGIN}`,
    `Connection: ${connection}`,
    ...upgradeHeaders.filter(line => !line.startsWith('Connection')),
    ...headers
  ]
  let received = ''
  socket.setEncoding('latin1')
  socket.on('data', data => {
    received += String(data)
    if (
      !received.startsWith('HTTP/1.1 101 ') ? received.includes('\r\n\r\n') : received.includes('"welcome"')
    ) {
      socket.destroy()
    }
  })
  let failure: Error | undefined
  // A server that has answered may end the connection with what it has not read.
  socket.on('error', (error: NodeJS.ErrnoException) => { if (error.code !== 'ECONNRESET') failure = error })
  socket.setTimeout(PATIENCE_MS, () => { socket.destroy(new Error('no answer')) })
  socket.write([...lines, '', ''].join('\r\n'), 'latin1')
  await new Promise(resolve => { socket.on('close', resolve) })
  if (failure !== undefined) throw failure
  return received
}
