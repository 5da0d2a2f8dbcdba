import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FileAdapter, MemoryAdapter, type PersistedState, type StorageAdapter } from '@hamicek/noex-store'
import t from 'tap'
import { RuleEngine } from '../../src/index.js'
import { FakeClock, settle } from '../support/fake-clock.js'
import { onTopic, startEngine } from '../support/start-engine.js'

type Saved = { rules: Array<{ id: string }>, groups?: Array<{ id: string }> }

async function saved (adapter: StorageAdapter, key = 'rules'): Promise<PersistedState<Saved> | undefined> {
  return adapter.load<Saved>(key)
}

t.test('rules and groups outlive their engine', async t => {
  const directory = await mkdtemp(join(tmpdir(), 'rules-'))
  t.teardown(() => rm(directory, { recursive: true }))
  const adapters: Array<() => StorageAdapter> = [
    (memory => () => memory)(new MemoryAdapter()), () => new FileAdapter({ directory })
  ]
  for (const adapter of adapters) {
    const first = await startEngine(t, { persistence: { adapter: adapter() } })
    first.engine.createGroup({ id: 'g', name: 'G', enabled: false })
    first.engine.registerRule(onTopic('a', {
      id: 'one',
      group: 'g',
      tags: [
        'x'
      ],
      actions: [{ type: 'set_fact', key: 'k', value: [{ ref: 'event' }, null] }]
    }))
    first.engine.registerRule(onTopic('a', { id: 'two', priority: 3 }))
    first.engine.registerRule(onTopic('a', { id: 'gone' }))
    first.engine.updateRule('one', { name: 'One' })
    first.engine.unregisterRule('gone')
    first.engine.disableRule('two')
    await first.engine.stop()

    const second = await startEngine(t, { persistence: { adapter: adapter() } })
    t.strictSame(JSON.stringify(second.engine.getRules()), JSON.stringify(first.engine.getRules()))
    t.strictSame(
      second.engine.getGroups().map(group => ({ ...group })),
      first.engine.getGroups().map(group => ({ ...group }))
    )
    t.ok(Object.isFrozen(second.engine.getRule('one')?.actions))
    t.equal(second.engine.registerRule(onTopic('b')).version, 5, 'versions go on')
    second.engine.enableGroup('g')
    await second.engine.emit('a', { n: 1 })
    t.same(second.engine.getFact('k'), [{ n: 1 }, null])
    await second.engine.stop()
  }
})

t.test('a save', async t => {
  t.test('comes 10 ms after the first change, with all changes by then', async t => {
    const clock = new FakeClock()
    const adapter = new MemoryAdapter()
    const { engine } = await startEngine(
      t, { clock, persistence: { adapter, key: 'my-rules', schemaVersion: 7 } }
    )
    engine.registerRule(onTopic('a', { id: 'one' }))
    await clock.advance(5)
    engine.registerRule(onTopic('a', { id: 'two' }))
    await clock.advance(4)
    t.equal(await saved(adapter, 'my-rules'), undefined)
    await clock.advance(1)
    t.match(await saved(adapter, 'my-rules'), {
      state: { rules: [{ id: 'one' }, { id: 'two' }], groups: [] },
      metadata: { persistedAt: clock.now(), serverId: 'rule-engine', schemaVersion: 7 }
    })
    t.equal(clock.pending, 0)
  })

  t.test('follows each kind of change, and nothing else', async t => {
    const clock = new FakeClock()
    const { engine } = await startEngine(t, { clock, persistence: { adapter: new MemoryAdapter() } })
    const changes: Array<[name: string, change: () => unknown, isSaved: boolean]> = [
      ['createGroup', () => engine.createGroup({ id: 'g', name: 'G' }), true],
      ['register', () => engine.registerRule(onTopic('a', { id: 'r', group: 'g' })), true],
      ['update', () => engine.updateRule('r', { name: 'R' }), true],
      ['disable', () => engine.disableRule('r'), true],
      ['disable again', () => engine.disableRule('r'), false],
      ['enable', () => engine.enableRule('r'), true],
      ['disableGroup', () => engine.disableGroup('g'), true],
      ['updateGroup of none', () => engine.updateGroup('x', {}), false],
      ['deleteGroup', () => engine.deleteGroup('g'), true],
      ['deleteGroup of none', () => engine.deleteGroup('g'), false],
      ['unregister', () => engine.unregisterRule('r'), true],
      ['unregister of none', () => engine.unregisterRule('r'), false],
      ['emit', () => engine.emit('a'), false],
      ['a rule that is not valid', () => { try { engine.registerRule({} as never) } catch {} }, false]
    ]
    for (const [name, change, isSaved] of changes) {
      change()
      t.equal(clock.pending, isSaved ? 1 : 0, name)
      await clock.advance(10)
    }
  })

  t.test('that fails is reported, and retried with the next change and at the end', async t => {
    const clock = new FakeClock()
    const adapter = new MemoryAdapter()
    let isBroken = true
    const save = adapter.save.bind(adapter)
    adapter.save = async (key, data) => { if (isBroken) throw new Error('disk full'); await save(key, data) }
    const { engine, errors } = await startEngine(t, { clock, persistence: { adapter } })
    engine.registerRule(onTopic('a', { id: 'one' }))
    await clock.advance(10)
    t.match(errors, [{ error: { message: 'disk full' } }])
    await clock.advance(10_000)
    t.equal(errors.length, 1)
    engine.registerRule(onTopic('a', { id: 'two' }))
    await clock.advance(10)
    t.equal(errors.length, 2)
    isBroken = false
    await engine.stop()
    t.match(await saved(adapter), { state: { rules: [{ id: 'one' }, { id: 'two' }] } })
  })

  t.test('is one at a time: what changes meanwhile is saved after it', async t => {
    const clock = new FakeClock()
    const states: string[][] = []
    const releases: Array<() => void> = []
    const adapter = new MemoryAdapter()
    adapter.save = (_key, { state }) => {
      states.push((state as Saved).rules.map(({ id }) => id))
      return new Promise(resolve => { releases.push(resolve) })
    }
    const { engine } = await startEngine(t, { clock, persistence: { adapter } })
    engine.registerRule(onTopic('a', { id: 'one' }))
    await clock.advance(10)
    engine.registerRule(onTopic('a', { id: 'two' }))
    await clock.advance(100)
    t.same(states, [['one']])
    releases[0]!()
    await clock.advance(10)
    t.same(states, [['one'], ['one', 'two']])
    engine.registerRule(onTopic('a', { id: 'three' }))
    const stopping = engine.stop()
    releases[1]!()
    await settle()
    t.same(states[2], ['one', 'two', 'three'])
    releases[2]!()
    await stopping
  })

  t.test('that hangs does not keep an engine from stopping', async t => {
    const clock = new FakeClock()
    const adapter = new MemoryAdapter()
    adapter.save = () => new Promise(() => {})
    const { engine, errors } = await startEngine(
      t, { clock, serviceTimeoutMs: 300, persistence: { adapter } }
    )
    engine.registerRule(onTopic('a'))
    const stopping = engine.stop()
    await clock.advance(300)
    await stopping
    t.match(errors, [{ error: { message: /not saved in time/ } }])
  })
})

t.test('an engine does not start on what it cannot use, and leaves it as it is', async t => {
  const metadata = { persistedAt: 1, serverId: 'rule-engine', schemaVersion: 1 }
  const good = { ...onTopic('a', { id: 'r' }), version: 3, createdAt: 1, updatedAt: 2 }
  const rows: Array<[name: string, data: unknown, message: RegExp]> = [
    ['another schema version', {
      state: { rules: [] }, metadata: { ...metadata, schemaVersion: 2 }
    }, /schema version 2 and not 1/],
    ['no metadata', { state: { rules: [] } }, /no metadata/],
    ['no rules', { state: {}, metadata }, /no rules/],
    ['nothing', { state: null, metadata }, /no rules/],
    ['a rule that is not valid', {
      state: { rules: [good, { ...good, id: 'bad', trigger: { type: 'x' } }] }, metadata
    }, /rule "bad" is not valid/],
    ['a rule without a version', {
      state: { rules: [{ ...good, version: undefined }] }, metadata
    }, /rule "r" is not valid/],
    ['a rule of a group that there is none of', {
      state: { rules: [{ ...good, group: 'g' }] }, metadata
    }, /rule "r" is not valid/],
    ['a rule that is null', { state: { rules: [null] }, metadata }, /rule undefined is not valid/],
    ['a group that is not valid', {
      state: { rules: [], groups: [{ id: 'g' }] }, metadata
    }, /group "g" is not valid/],
    ['a group without times', {
      state: { rules: [], groups: [{ id: 'g', name: 'G' }] }, metadata
    }, /group "g" is not valid/],
    ['too many rules', {
      state: { rules: [good, { ...good, id: 'r2' }] }, metadata
    }, /rule "r2" is not valid/],
    ['one group twice', {
      state: {
        rules: [],
        groups: [1, 2].map(() => ({
          id: 'g', name: 'G', enabled: true, createdAt: 1, updatedAt: 1
        }))
      },
      metadata
    }, /group "g" is not valid/],
    ['one rule twice', { state: { rules: [good, good] }, metadata }, /rule "r" is not valid/]
  ]
  for (const [name, data, message] of rows) {
    const adapter = new MemoryAdapter({ initialData: new Map([['rules', data as PersistedState<unknown>]]) })
    await t.rejects(
      RuleEngine.start({ persistence: { adapter }, maxRules: name === 'too many rules' ? 1 : 9 }),
      { name: 'RuleStorageError', code: 'RULE_STORAGE_ERROR', message },
      name
    )
    t.same(await adapter.load('rules'), data, name)
  }

  t.test('nor on a damaged file', async t => {
    const directory = await mkdtemp(join(tmpdir(), 'rules-'))
    t.teardown(() => rm(directory, { recursive: true }))
    const { engine } = await startEngine(t, { persistence: { adapter: new FileAdapter({ directory }) } })
    engine.registerRule(onTopic('a'))
    await engine.stop()
    const [file = ''] = await readdir(directory)
    const path = join(directory, file)
    await writeFile(path, (await readFile(path, 'utf8')).replace('rule', 'RULE'))
    await t.rejects(RuleEngine.start({ persistence: { adapter: new FileAdapter({ directory }) } }), {
      name: 'RuleStorageError', cause: Error
    })
  })
})

t.test('an engine without anything saved starts empty, and its adapter stays open', async t => {
  const adapter = new MemoryAdapter()
  let isClosed = false
  adapter.close = async () => { isClosed = true }
  const { engine } = await startEngine(t, { persistence: { adapter } })
  t.same(engine.getRules(), [])
  await engine.stop()
  t.notOk(isClosed)
  t.equal(adapter.size, 0, 'nothing has changed, nothing is saved')
})
