import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { parse, parseAllDocuments } from 'yaml'
import { gracePeriodMs } from '../../example-app/app.js'
import { resolveOptions, type ResolvedOptions } from '../../lib/options/options.js'
import { startStore } from '../support/service.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { freePort } from '../support/free-port.js'
import { hasProgram } from '../support/program.js'
import { caddyFile, nginxFile } from '../support/proxy.js'
import { adapted, deployPath, shipped } from '../support/shipped-file.js'
import { projectFile } from '../support/project-file.js'

/** The longest time of stopping beyond the drain delay and the grace period, saving included. */
const STOP_ALLOWANCE_MS = 2_000
const SAVING_MS = 5_000

/** How long an order desk may take to stop, in seconds. */
const stopSeconds = (drainDelay: number): number =>
  (drainDelay + gracePeriodMs + STOP_ALLOWANCE_MS + SAVING_MS) / 1_000

/** Runs a program that checks a file; what it complains of is in the error. */
function check (t: Test, program: string, ...args: string[]): void {
  t.doesNotThrow(
    () => { execFileSync(program, args, { stdio: 'pipe', encoding: 'utf8' }) },
    `${program} accepts it`
  )
}

async function defaults (t: Test): Promise<ResolvedOptions> {
  return resolveOptions({ store: await startStore(t) })
}

t.test('nginx.conf is a file that nginx takes', async t => {
  if (!hasProgram(t, 'nginx', '-v')) return
  const path = nginxFile(temporaryDirectory(t), {
    port: await freePort(),
    plainPort: await freePort(),
    upstreams: [8080, 8081]
  })
  check(t, 'nginx', '-t', '-q', '-c', path)
  const { heartbeat } = await defaults(t)
  const [, seconds] = /proxy_read_timeout (\d+)s;/.exec(shipped('nginx.conf')) ?? []
  t.ok(
    Number(seconds) * 1_000 > heartbeat.intervalMs + heartbeat.timeoutMs,
    'it waits longer for a client than the heartbeat does'
  )
})

t.test('Caddyfile is a file that Caddy takes, and is formatted as Caddy does', async t => {
  if (!hasProgram(t, 'caddy', 'version')) return
  // Nothing is opened by that, and no certificate asked for.
  check(t, 'caddy', 'validate', '--config', deployPath('Caddyfile'), '--adapter', 'caddyfile')
  t.equal(execFileSync('caddy', ['fmt', deployPath('Caddyfile')], { encoding: 'utf8' }), shipped('Caddyfile'))
  const copy = caddyFile(temporaryDirectory(t), {
    port: await freePort(),
    adminPort: await freePort(),
    upstreams: [8080, 8081]
  })
  const adaptedFile = execFileSync('caddy', ['adapt', '--config', copy, '--adapter', 'caddyfile'], {
    encoding: 'utf8',
    stdio: 'pipe'
  })
  t.match(
    adaptedFile,
    '"upstreams":[{"dial":"127.0.0.1:8080"},{"dial":"127.0.0.1:8081"}]',
    'a second process is one line'
  )
  const { routes } = await defaults(t)
  t.match(
    adaptedFile,
    `"uri":"${String(routes.readyz)}"`,
    'it asks the route that says whether to send clients'
  )
})

t.test('both proxies set or remove the same headers', async t => {
  const nginx = [...shipped('nginx.conf').matchAll(/proxy_set_header (\S+) ""/g)].map(([, name = '']) =>
    name.toLowerCase()
  )
  const caddy = [...shipped('Caddyfile').matchAll(/header_up -(\S+)/g)].map(([, name = '']) =>
    name.toLowerCase()
  )
  const isRemoved = (name: string): boolean =>
    caddy.some(
      pattern => pattern === name || (pattern.endsWith('*') && name.startsWith(pattern.slice(0, -1)))
    )
  t.ok(nginx.length > 20)
  t.same(nginx.filter(name => !isRemoved(name)), [])
})

t.test('fastify-noex.service is a unit that systemd takes', async t => {
  if (!hasProgram(t, 'systemd-analyze')) return
  const path = join(temporaryDirectory(t), 'fastify-noex.service')
  // The program has to be there.
  writeFileSync(
    path,
    adapted('fastify-noex.service', [
      ['/usr/bin/node /opt/fastify-noex/dist/example-app/server.js', process.execPath]
    ])
  )
  t.equal(
    execFileSync('systemd-analyze', ['verify', '--man=no', path], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe']
    }),
    '',
    'nothing to complain of'
  )
  const exposure = execFileSync('systemd-analyze', ['security', '--offline=yes', '--no-pager', path], {
    encoding: 'utf8'
  })
  const [, level] = /Overall exposure level for \S+: ([\d.]+)/.exec(exposure) ?? []
  t.comment(`exposure ${String(level)} of 10`)
  t.ok(Number(level) < 2, 'systemd counts it among the well protected')
})

t.test('fastify-noex.service gives the service the time that it takes to stop', async t => {
  const unit = shipped('fastify-noex.service')
  const [, seconds] = /^TimeoutStopSec=(\d+)$/m.exec(unit) ?? []
  const [, delay] = /^Environment=DRAIN_DELAY_MS=(\d+)$/m.exec(unit) ?? []
  t.ok(Number(seconds) > stopSeconds(Number(delay)))
  t.match(unit, /^KillSignal=SIGTERM$/m)
  t.match(
    unit,
    /^ExecStart=\/usr\/bin\/node \S*\/dist\/example-app\/server\.js$/m,
    'the program that npm start runs'
  )
})

t.test('kubernetes.yaml', async t => {
  const documents = parseAllDocuments(shipped('kubernetes.yaml'))
  t.same(documents.flatMap(({ errors, warnings }) => [...errors, ...warnings]), [], 'it is YAML')
  const [deployment, service, budget] = documents.map(document => document.toJS())
  const { spec } = deployment.spec.template
  const [container] = spec.containers
  const { routes } = await defaults(t)

  t.test('asks the routes of the plugin', async t => {
    t.equal(container.livenessProbe.httpGet.path, routes.livez)
    t.equal(container.startupProbe.httpGet.path, routes.livez)
    t.equal(container.readinessProbe.httpGet.path, routes.readyz)
    for (const probe of ['livenessProbe', 'startupProbe', 'readinessProbe']) {
      t.equal(container[probe].httpGet.port, container.ports[0].name, probe)
    }
  })

  t.test('gives the service the time that it takes to stop, and notices in time that it will', async t => {
    const delay = Number(container.env.find(({ name }: { name: string }) => name === 'DRAIN_DELAY_MS').value)
    t.ok(spec.terminationGracePeriodSeconds > stopSeconds(delay))
    const { periodSeconds, failureThreshold } = container.readinessProbe
    t.ok(periodSeconds * failureThreshold * 1_000 <= delay, 'not ready before new clients are refused')
  })

  t.test('runs as a user with few rights, and never less than one', async t => {
    t.match(spec.securityContext, { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } })
    t.match(container.securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] }
    })
    t.match(deployment.spec.strategy, { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0 } })
    t.match(budget, { kind: 'PodDisruptionBudget', spec: { minAvailable: 1 } })
    const writable = container.env.find(({ name }: { name: string }) => name === 'DATA_DIR').value
    t.same(
      container.volumeMounts,
      [{ name: spec.volumes[0].name, mountPath: writable }],
      'what it writes to is a volume'
    )
  })

  t.test('belongs together', async t => {
    const { labels } = deployment.spec.template.metadata
    for (const selector of [
      deployment.spec.selector.matchLabels,
      service.spec.selector,
      budget.spec.selector.matchLabels
    ]) {
      t.same(selector, labels)
    }
    t.equal(service.spec.ports[0].targetPort, container.ports[0].name)
  })
})

t.test('Dockerfile', async t => {
  const lines = shipped('Dockerfile').replaceAll(/^#.*\n/gm, '').replaceAll('\\\n', '').split('\n')
  const argumentsOf = (instruction: string): string[] =>
    lines
      .filter(line => line.trim().startsWith(`${instruction} `))
      .map(line => line.trim().slice(instruction.length + 1))

  t.test('copies what there is', async t => {
    const sources = argumentsOf('COPY')
      .filter(line => !line.startsWith('--from='))
      .flatMap(line => line.split(' ').slice(0, -1))
    t.ok(sources.length > 5)
    for (const source of sources) t.ok(existsSync(projectFile(source)), source)
    const ignored = shipped('Dockerfile.dockerignore').split('\n')
    for (const source of sources) t.notOk(ignored.includes(source), `${source} is not ignored`)
  })

  t.test('copies what the build needs, so that a new folder is not forgotten', async t => {
    const {
      extends: base,
      include,
      references
    } = parse(readFileSync(projectFile('tsconfig.build.json'), 'utf8'))
    const copied = argumentsOf('COPY').join(' ')
    t.match(copied, `${String(base).replace('./', '')} tsconfig.build.json ./`)
    for (const folder of include) t.match(copied, `${String(folder)} ${String(folder)}`)
    for (const { path } of references) t.match(copied, `${String(path)}/package.json ${String(path)}/`)
    t.match(copied, 'tools/package.json tools/', 'without it, the lock file would not fit')
  })

  t.test('keeps every package that the service imports', async t => {
    const manifest = JSON.parse(readFileSync(projectFile('package.json'), 'utf8'))
    const { dependencies, peerDependencies, peerDependenciesMeta } = manifest
    const kept = /for name in (.*?);/.exec(argumentsOf('RUN').join('\n'))?.[1]?.split(' ') ?? []
    const workspaces = new Set(readdirSync(projectFile('packages')).map(folder =>
      JSON.parse(readFileSync(projectFile(`packages/${folder}/package.json`), 'utf8')).name))
    const codeOf = (folder: string): string[] => readdirSync(projectFile(folder), { recursive: true })
      .map(file => projectFile(`${folder}/${String(file)}`)).filter(file => file.endsWith('.js'))
    const specifier = /^(?:import|export) .*?from '((?:@[^/']+\/)?[^./'][^/']*)/gm
    const imported = new Set(['dist/lib', 'dist/routes', 'dist/example-app'].flatMap(codeOf).flatMap(file =>
      [...readFileSync(file, 'utf8').matchAll(specifier)].map(([, name = '']) => name)))
    const isThere = (name: string): boolean => name.startsWith('node:') || name === 'fastify-noex' ||
      name in dependencies || peerDependenciesMeta[name]?.optional === true || kept.includes(name) ||
      workspaces.has(name)
    t.ok(imported.has('fastify') && 'fastify' in peerDependencies)
    t.same([...imported].filter(name => !isThere(name)), [])
  })

  t.test('starts the program of npm start without a shell, as another user than root', async t => {
    const { scripts } = JSON.parse(readFileSync(projectFile('package.json'), 'utf8'))
    const command = JSON.parse(argumentsOf('CMD').at(-1) ?? '')
    t.equal(`exec ${command.join(' ')}`, scripts.start)
    t.match(argumentsOf('USER').at(-1), /^[1-9]\d*:[1-9]\d*$/)
    t.match(argumentsOf('ENV').join(' '), `DATA_DIR=${String(argumentsOf('VOLUME').at(-1))}`)
  })

  t.test('is healthy when the service answers, and not when it does not', async t => {
    const { livez } = (await defaults(t)).routes
    const line = argumentsOf('HEALTHCHECK').at(-1) ?? ''
    const [program, ...args] = JSON.parse(line.slice(line.indexOf('['))) as [string, ...string[]]
    const server = createServer(
      (request, response) => { response.writeHead(request.url === livez ? status : 404).end() }
    )
    let status = 200
    const port = await freePort()
    const run = async (): Promise<unknown> =>
      (
        await once(
          spawn(program, args, { env: { ...process.env, PORT: String(port) }, stdio: 'inherit' }),
          'exit'
        )
      )[0]
    t.equal(await run(), 1, 'no server listens')
    server.listen(port, '127.0.0.1')
    t.teardown(() => { server.close() })
    t.equal(await run(), 0)
    status = 503
    t.equal(await run(), 1)
  })
})
