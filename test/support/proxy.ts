import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { temporaryDirectory } from './temporary-directory.js'
import { freePort } from './free-port.js'
import { hasProgram, startProgram } from './program.js'
import { adapted, type Replacement } from './shipped-file.js'
import { projectFile } from './project-file.js'

const run = promisify(execFile)

/** The certificate, with its key, that proxies of the tests have: for `localhost`. */
export const certificate = projectFile('test/fixtures/localhost.pem')

/** The proxies that deploy/ has a file for. */
export type ProxyKind = 'nginx' | 'caddy'
export const proxyKinds: readonly ProxyKind[] = ['nginx', 'caddy']

/** A real proxy that runs with the file of deploy/, TLS included. */
export interface Proxy {
  readonly kind: ProxyKind
  /** Where it speaks TLS, on 127.0.0.1. */
  readonly port: number
  /** Has the proxy read its file again, as an administrator would; resolves when the command has ended. */
  readonly reload: () => Promise<void>
}

export interface ProxySettings {
  /** The ports of the processes behind it. */
  readonly upstreams: readonly [number, ...number[]]
  /** Changes of the file that the test is about. */
  readonly changes?: readonly Replacement[]
}

/** Whether both proxies are there to run. */
export function hasProxies (t: Test): boolean {
  return [hasProgram(t, 'nginx', '-v'), hasProgram(t, 'caddy', 'version')].every(isThere => isThere)
}

/**
 * Starts a proxy with a copy of its file of deploy/ in which ports, paths and the certificate are the test's.
 * It ends with the test.
 */
export async function startProxy (t: Test, kind: ProxyKind, settings: ProxySettings): Promise<Proxy> {
  return kind === 'nginx' ? await startNginx(t, settings) : await startCaddy(t, settings)
}

/** Writes nginx.conf for a test, and returns its path. */
export function nginxFile (
  directory: string,
  {
    port,
    plainPort,
    upstreams,
    changes = []
  }: ProxySettings & { readonly port: number, readonly plainPort: number }
): string {
  const path = join(directory, 'nginx.conf')
  const [first, second] = upstreams
  writeFileSync(path, adapted('nginx.conf', [
    ['/run/nginx.pid', join(directory, 'nginx.pid')],
    ['/var/log/nginx/error.log', join(directory, 'error.log')],
    ['/var/log/nginx/access.log', join(directory, 'access.log')],
    ['/etc/ssl/certs/example.com.pem', certificate],
    ['/etc/ssl/private/example.com.key', certificate],
    ['listen 443 ssl;', `listen 127.0.0.1:${port} ssl;`],
    ['listen [::]:443 ssl;', ''],
    ['listen 80;', `listen 127.0.0.1:${plainPort};`],
    ['listen [::]:80;', ''],
    ['example.com;', 'localhost;'],
    ['server 127.0.0.1:8080 ', `server 127.0.0.1:${first} `],
    ...second === undefined ? [] : [['# server 127.0.0.1:8081', `server 127.0.0.1:${second}`] as const],
    ...changes
  ]))
  return path
}

async function startNginx (t: Test, settings: ProxySettings): Promise<Proxy> {
  const directory = temporaryDirectory(t)
  const port = await freePort()
  const path = nginxFile(directory, { ...settings, port, plainPort: await freePort() })
  await startProgram(t, ['nginx', '-c', path, '-g', 'daemon off;'], port)
  return { kind: 'nginx', port, reload: async () => { await run('nginx', ['-c', path, '-s', 'reload']) } }
}

/** Writes the Caddyfile for a test, and returns its path. */
export function caddyFile (
  directory: string,
  {
    port,
    adminPort,
    upstreams,
    changes = []
  }: ProxySettings & { readonly port: number, readonly adminPort: number }
): string {
  const path = join(directory, 'Caddyfile')
  const [first, second] = upstreams
  writeFileSync(path, adapted('Caddyfile', [
    // What listens for plain HTTP to send it to https would take port 80.
    ['admin localhost:2019', `admin 127.0.0.1:${adminPort}\n\tauto_https disable_redirects`],
    [
      /^example\.com \{$/m,
      `https://localhost:${port} {\n\tbind 127.0.0.1\n\ttls ${certificate} ${certificate}`
    ],
    ['reverse_proxy 127.0.0.1:8080', `reverse_proxy 127.0.0.1:${first}`],
    ...second === undefined ? [] : [['# to 127.0.0.1:8081', `to 127.0.0.1:${second}`] as const],
    ...changes
  ]))
  return path
}

async function startCaddy (t: Test, settings: ProxySettings): Promise<Proxy> {
  const directory = temporaryDirectory(t)
  const port = await freePort()
  const path = caddyFile(directory, { ...settings, port, adminPort: await freePort() })
  const file = ['--config', path, '--adapter', 'caddyfile']
  await startProgram(t, ['caddy', 'run', ...file], port, {
    XDG_DATA_HOME: directory,
    XDG_CONFIG_HOME: directory
  })
  return { kind: 'caddy', port, reload: async () => { await run('caddy', ['reload', '--force', ...file]) } }
}
