import { createServer, request, type IncomingMessage } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import type { Test } from 'tap'

/**
 * Starts a proxy that has a server under a prefix: it takes the prefix away from the path, and answers all
 * other paths with 404. Returns its port; it ends with the test.
 */
export async function startPrefixProxy (
  t: Test, prefix: string, port: number, headers: Readonly<Record<string, string>> = {}
): Promise<number> {
  const pathOf = ({ url = '' }: IncomingMessage): string | undefined =>
    url.startsWith(`${prefix}/`) ? url.slice(prefix.length) : undefined
  const server = createServer((incoming, answer) => {
    const path = pathOf(incoming)
    if (path === undefined) {
      answer.writeHead(404).end()
      return
    }
    const { method, headers: given } = incoming
    const forwarded = request({ port, host: '127.0.0.1', path, method, headers: { ...given, ...headers } })
    forwarded.on('response', received => {
      answer.writeHead(received.statusCode ?? 502, received.headers)
      received.pipe(answer)
    })
    forwarded.on('error', () => { answer.destroy() })
    incoming.pipe(forwarded)
  })
  server.on('upgrade', (incoming, socket) => {
    const path = pathOf(incoming)
    const upstream = connect(port, '127.0.0.1')
    const lines = Object.entries({ ...incoming.headers, ...headers })
      .map(([name, value]) => `${name}: ${String(value)}`)
    upstream.write(`GET ${path ?? '/none'} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`)
    socket.pipe(upstream).pipe(socket)
    for (const end of [socket, upstream]) {
      end.on('error', () => {
        socket.destroy()
        upstream.destroy()
      })
    }
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}
