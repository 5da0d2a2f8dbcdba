import Fastify from 'fastify'
import { mkdtempSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { noexPlugin } from '../../lib/index.js'
import { startBenchStore } from './bench-store.js'
import { reportTo } from './control.js'

/** The plugin over a store in files, each commit of which waits for the disk. */
const directory = mkdtempSync(join(tmpdir(), 'noex-bench-'))
process.on('exit', () => { rmSync(directory, { recursive: true, force: true }) })
const { store } = await startBenchStore({ durability: { directory } })
const app = Fastify({ logger: false })
await app.register(noexPlugin, { store })
await app.listen({ port: 0, host: '127.0.0.1' })
reportTo((app.server.address() as AddressInfo).port)
