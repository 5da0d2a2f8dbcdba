import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { jsonlSink } from '../lib/audit/file/jsonl-sink.js'
import type { AuditSink } from '../lib/audit/sink.js'
import { operation, type NoexOptions } from '../lib/index.js'
import type { TestClient, Frame } from './support/client.js'
import { FakeRuleEngine } from './support/fake-rule-engine.js'
import { serve, startStore, type Served } from './support/service.js'
import { projectFile } from './support/project-file.js'
import { temporaryDirectory } from './support/temporary-directory.js'

/** A function of the application, with any arguments and any answer. */
type Act = () => unknown

/** Serves with a function that does `act`, and makes the request for which it is called. */
type Drive = (t: Test, act: Act) => Promise<Driven>

interface Driven extends Served {
  readonly ask: (client: TestClient) => Promise<Frame>
}

interface Subject {
  readonly drive: Drive
  /** The answer that it should give. */
  readonly right: unknown
  /** The answer that it must not give, if any. */
  readonly wrong: unknown
}

const insert = async (client: TestClient, bucket = 'items'): Promise<Frame> =>
  await client.request('store.insert', { bucket, data: {} })

/** Serves options that hold the function, for a request that is an insert unless `ask` is another. */
async function driven (
  t: Test, options: object, ask: Driven['ask'] = async client => await insert(client)
): Promise<Driven> {
  return { ...await serve(t, options as Omit<NoexOptions, 'store'>), ask }
}

/** Serves a bucket whose definition holds the function. */
async function drivenBucket (t: Test, definition: object, field: object): Promise<Driven> {
  const store = await startStore(t)
  const id = { type: 'string', generated: 'uuid' } as const
  await store.defineBucket('guarded', { key: 'id', schema: { id, field }, ...definition } as never)
  return { ...await serve(t, {}, { store }), ask: async client => await insert(client, 'guarded') }
}

/** Serves the trail to a sink, and closes it however much of it is lost. */
async function drivenSink (t: Test, write: Act): Promise<Driven> {
  const open = async (): Promise<object> => ({ write, close: async () => {} })
  const policy = { admin: 'block', write: 'block', read: 'drop' }
  const sinks = [{ name: 'own', policy, open } as unknown as AuditSink]
  const served = await driven(t, { audit: { tiers: ['write'], sinks, writeTimeoutMs: 50 } })
  return {
    ...served,
    async ask (client) {
      const reply = await insert(client)
      await served.app.close().catch(() => {})
      return reply
    }
  }
}

const login = async (client: TestClient): Promise<Frame> => await client.request('auth.login', { token: 'x' })
const session = { userId: 'x', roles: ['writer'] }
const anyone = { validate: () => session, required: false }

/** Every function of the table in docs/functions.md, by its name there. */
const subjects: Readonly<Record<string, Subject>> = {
  'auth.validate': {
    drive: async (t, validate) => await driven(t, { auth: { validate, validateTimeoutMs: 50 } }, login),
    right: session,
    wrong: 'yes'
  },
  'auth.permissions.check': {
    drive: async (t, check) => await driven(t, { auth: { ...anyone, permissions: { check } } }),
    right: true,
    wrong: 'yes'
  },
  'audit.onEntry': {
    drive: async (t, onEntry) => await driven(t, { audit: { tiers: ['write'], onEntry } }),
    right: undefined,
    wrong: 5
  },
  'onCheckpoint of an audit sink': {
    async drive (t, onCheckpoint) {
      const path = join(temporaryDirectory(t), 'audit.jsonl')
      const sinks = [jsonlSink({ path, checkpointEntries: 1, onCheckpoint })]
      return await driven(t, { audit: { tiers: ['write'], sinks } })
    },
    right: undefined,
    wrong: 5
  },
  'write of an audit sink': { drive: drivenSink, right: undefined, wrong: 5 },
  'query of store.defineQuery': {
    async drive (t, query) {
      const ask = async (client: TestClient) => await client.request('store.query', { query: 'own' })
      const served = await driven(t, { queryTimeoutMs: 50 }, ask)
      served.store.defineQuery('own', query as () => Promise<unknown>)
      return served
    },
    right: 1,
    wrong: 1n
  },
  'validate of a bucket': {
    drive: async (t, validate) => await drivenBucket(t, { validate }, { type: 'string' }),
    right: undefined,
    wrong: 5
  },
  'validate of a field': {
    drive: async (t, validate) => await drivenBucket(t, {}, { type: 'string', default: 'x', validate }),
    right: undefined,
    wrong: 5
  },
  'default of a field': {
    drive: async (t, give) => await drivenBucket(t, {}, { type: 'string', default: give }),
    right: 'x',
    wrong: 1n
  },
  'handler of an operation': {
    async drive (t, handler) {
      const operations = [operation({ name: 'shop.act', handler })]
      const ask = async (client: TestClient): Promise<Frame> => await client.request('shop.act')
      return await driven(t, { operations, operationTimeoutMs: 50 }, ask)
    },
    right: 1,
    wrong: 1n
  },
  'resources of an operation': {
    async drive (t, resources) {
      const operations = [operation({ name: 'shop.act', resources: resources as () => [], handler: () => 1 })]
      return await driven(t, { operations }, async client => await client.request('shop.act'))
    },
    right: [{ type: 'bucket', name: 'items' }],
    wrong: []
  },
  'method of rules': {
    async drive (t, getAllFacts) {
      const rules = Object.assign(new FakeRuleEngine(), { getAllFacts })
      const ask = async (client: TestClient) => await client.request('rules.getAllFacts')
      return await driven(t, { rules, rulesTimeoutMs: 50 }, ask)
    },
    right: [],
    wrong: 5
  }
}

const chapter = readFileSync(projectFile('docs/functions.md'), 'utf8')
const [, ...rows] = [...chapter.matchAll(/^\| (.+) \|$/gm)].map(([, row]) => (row as string).split(' | '))
const table = new Map(rows.map(([name, ...cells]) => [(name as string).replaceAll('`', ''), cells]))

/** The reply that a cell of the table tells of: the first code in it, or none. */
const codeIn = (cell: string | undefined): string | undefined => /`([A-Z]+_[A-Z_]+)`/.exec(cell ?? '')?.[1]

t.test('the table of docs/functions.md has every function of the application, and no other', async t => {
  t.same([...table.keys()], Object.keys(subjects))
  const files = readdirSync(projectFile('lib'), { recursive: true, encoding: 'utf8' })
  const sources = files.filter(file => file.endsWith('.ts'))
    .map(file => readFileSync(projectFile(`lib/${file}`), 'utf8')).join('\n')
  const named = [...sources.matchAll(/new Application(?:Callback|Listener)\(\s*'([^']+)'/g)]
  const options = [...sources.matchAll(/\b(\w+): \w+\((?:callback|synchronousCallback)\b/g)]
  t.ok(named.length >= 4 && options.length >= 4, 'there are some')
  for (const [, name = ''] of named) t.ok(table.has(name), name)
  for (const [, option = ''] of options) {
    t.ok([...table.keys()].some(name => name.split(/[. ]/).includes(option)), option)
  }
})

/** The ways a function can behave, and the column of the table that states the outcome. */
const deeds: ReadonlyArray<readonly [title: string, column: number, act: (subject: Subject) => unknown]> = [
  ['throws', 0, () => { throw new Error('secret') }],
  ['rejects', 0, async () => { throw new Error('secret') }],
  ['answers wrongly', 1, ({ wrong }) => wrong],
  ['never settles', 2, async () => await new Promise(() => {})]
]

for (const [name, subject] of Object.entries(subjects)) {
  for (const [title, column, act] of deeds) {
    t.test(`${name} that ${title} is answered as the table says`, async t => {
      const { connect, ask } = await subject.drive(t, () => act(subject))
      const reply = await ask(await connect())
      t.equal(reply['code'], codeIn(table.get(name)?.[column]), JSON.stringify(reply))
      t.notMatch(JSON.stringify(reply), /secret/)
    })
  }

  t.test(`${name} may call the service`, async t => {
    t.match(table.get(name)?.[3], /^may/)
    const asked: Array<Promise<unknown>> = []
    const called: { by?: Driven } = {}
    const served = await subject.drive(t, () => {
      const { app, store } = called.by ?? {}
      asked.push(Promise.all([app?.noex.getStats(), store?.bucket('items').count()]))
      return subject.right
    })
    called.by = served
    t.equal((await served.ask(await served.connect()))['type'], 'result')
    t.ok(asked.length > 0, 'it was called')
    await Promise.all(asked)
  })
}
