import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises'
import { test, type Test } from 'tap'
import {
  ChildNotFoundError, type ChildRestartStrategy, type ChildSpec, DuplicateChildError, GenServer,
  type GenServerBehavior, type GenServerRef, MaxRestartsExceededError, Registry, ServerNotRunningError, Supervisor,
  type SupervisorOptions, type SupervisorRef, type TerminateReason
} from '@hamicek/noex'

const echo: GenServerBehavior<null, string, never, string> = {
  init: () => null,
  handleCall: (msg, state) => [msg, state],
  handleCast: (_msg, state) => state
}

async function started (t: Test, options?: SupervisorOptions): Promise<SupervisorRef> {
  const supervisor = await Supervisor.start(options)
  t.teardown(() => Supervisor.stop(supervisor))
  return supervisor
}

/** A child named by its id whose starts and ends are noted. */
function noted (id: string, log: string[], restart: ChildRestartStrategy = 'permanent'): ChildSpec {
  const terminate = (reason: TerminateReason) => {
    log.push(`end ${id}: ${typeof reason === 'string' ? reason : reason.error.name}`)
  }
  const start = () => {
    log.push(`start ${id}`)
    return GenServer.start({ ...echo, terminate }, { name: id })
  }
  return { id, start, restart }
}

/** Ends the server of a name as if it had come to grief. */
function crash (name: string): Promise<void> {
  return GenServer.stop(Registry.lookup(name), { error: new Error('crashed') })
}

/** Keeps the process alive during a test that waits for nothing but a timer of the kernel. */
function stayAwake (t: Test): void {
  const timer = setInterval(() => {}, 1000)
  t.teardown(() => clearInterval(timer))
}

function gate () {
  let resolve = () => {}
  const promise = new Promise<void>(_resolve => { resolve = _resolve })
  return { promise, resolve }
}

test('Supervisor.start', async t => {
  t.test('starts the children in order, and accepts a name without taking it', async t => {
    const log: string[] = []
    const supervisor = await started(t, { name: 'same', children: [noted('a', log), noted('b', log)] })
    await started(t, { name: 'same' })
    t.ok(Supervisor.isRunning(supervisor))
    t.same(log, ['start a', 'start b'])
    t.equal(Supervisor.countChildren(supervisor), 2)
    t.notOk(Registry.isRegistered('same'))
  })

  t.test('leaves nothing behind when a child does not start', async t => {
    const log: string[] = []
    const failing: ChildSpec = { id: 'c', start: () => Promise.reject(new Error('no')) }
    await t.rejects(Supervisor.start({ children: [noted('a', log), noted('b', log), failing] }), { message: 'no' })
    t.same(log, ['start a', 'start b', 'end b: shutdown', 'end a: shutdown'])
  })
})

test('Supervisor.startChild', async t => {
  t.test('gives the ref of the child', async t => {
    const supervisor = await started(t)
    const ref = await Supervisor.startChild(supervisor, { id: 'a', start: () => GenServer.start(echo) })
    t.equal(await GenServer.call(ref, 'hello'), 'hello')
  })

  t.test('refuses an id that is taken before it starts anything, also while the first is starting', async t => {
    const supervisor = await started(t)
    const log: string[] = []
    const first = Supervisor.startChild(supervisor, noted('a', log))
    for (let i = 0; i < 2; i++) {
      await t.rejects(Supervisor.startChild(supervisor, noted('a', log)), {
        name: 'DuplicateChildError', supervisorId: supervisor.id, childId: 'a'
      })
      await first
    }
    t.same(log, ['start a'])
    t.match(new DuplicateChildError('s', 'c').message, /already/)
  })

  t.test('keeps nothing of a child that does not start', async t => {
    const supervisor = await started(t)
    const error = new Error('no')
    const failing = [() => Promise.reject(error), () => { throw error }]
    for (const start of failing) {
      await t.rejects(Supervisor.startChild(supervisor, { id: 'a', start }), error)
      t.equal(Supervisor.countChildren(supervisor), 0)
    }
    await Supervisor.startChild(supervisor, noted('a', []))
  })

  t.test('rejects on a supervisor that is unknown or has stopped', async t => {
    const supervisor = await started(t)
    await Supervisor.stop(supervisor)
    for (const ref of [supervisor, { id: 'nobody' }]) {
      await t.rejects(Supervisor.startChild(ref, noted('a', [])), /is not running/)
      t.throws(() => Supervisor.getChildren(ref), /is not running/)
      t.notOk(Supervisor.isRunning(ref))
    }
  })
})

test('Supervisor.terminateChild', async t => {
  t.test('stops the child for good, and frees its id and name at once', async t => {
    const supervisor = await started(t)
    const log: string[] = []
    for (let i = 0; i < 5; i++) {
      const ref = await Supervisor.startChild(supervisor, noted('a', log))
      await Supervisor.terminateChild(supervisor, 'a')
      t.notOk(GenServer.isRunning(ref))
      t.notOk(Registry.isRegistered('a'))
    }
    t.same(log, Array.from({ length: 5 }, () => ['start a', 'end a: shutdown']).flat())
    // Long enough for a supervisor that polls its children.
    await delay(200)
    t.notOk(Registry.isRegistered('a'))
    t.equal(log.length, 10)
    t.ok(Supervisor.isRunning(supervisor))
  })

  t.test('rejects for a child that is unknown', async t => {
    const supervisor = await started(t)
    const error = new ChildNotFoundError(supervisor.id, 'a')
    await t.rejects(Supervisor.terminateChild(supervisor, 'a'), error)
    t.match(error, { name: 'ChildNotFoundError', supervisorId: supervisor.id, childId: 'a' })
  })

  t.test('lets the child answer what it was asked before', async t => {
    const supervisor = await started(t)
    const slow = { ...echo, handleCall: async (msg: string) => turn([msg, null] as const) }
    const ref: GenServerRef<unknown, string, never, string> =
      await Supervisor.startChild(supervisor, { id: 'a', start: () => GenServer.start(slow) })
    const calls = ['a', 'b'].map(msg => GenServer.call(ref, msg))
    await Promise.all([Supervisor.terminateChild(supervisor, 'a'), Supervisor.terminateChild(supervisor, 'a')])
    t.same(await Promise.all(calls), ['a', 'b'])
  })

  t.test('stops a child by force that takes longer than its shutdownTimeout', async t => {
    stayAwake(t)
    const supervisor = await started(t)
    let ended = 0
    const stuck = {
      ...echo,
      handleCall: () => new Promise<never>(() => {}),
      terminate () {
        ended++
        throw new Error('unclean')
      }
    }
    const ref: GenServerRef<unknown, string, never, string> = await Supervisor.startChild(supervisor, {
      id: 'stuck', start: () => GenServer.start(stuck, { name: 'stuck' }), shutdownTimeout: 5
    })
    const calls = [GenServer.call(ref, 'running'), GenServer.call(ref, 'queued')]
    const stops = [GenServer.stop(ref), Supervisor.terminateChild(supervisor, 'stuck')]
    for (const call of calls) await t.rejects(call, ServerNotRunningError)
    await Promise.all(stops)
    t.equal(ended, 1)
    t.notOk(Registry.isRegistered('stuck'))
  })

  t.test('does not mind a terminate that fails, by itself or by force', async t => {
    stayAwake(t)
    const supervisor = await started(t)
    const failing = [
      () => { throw new Error('thrown') },
      () => Promise.reject(new Error('rejected')),
      () => delay(10).then(() => { throw new Error('late') })
    ]
    for (const terminate of failing) {
      const start = () => GenServer.start({ ...echo, terminate }, { name: 'failing' })
      await Supervisor.startChild(supervisor, { id: 'failing', start, shutdownTimeout: 5 })
      await Supervisor.terminateChild(supervisor, 'failing')
      t.notOk(Registry.isRegistered('failing'))
    }
    await delay(15)
  })

  t.test('lets a busy handler end whose server was stopped by force, without a trace', async t => {
    stayAwake(t)
    const supervisor = await started(t)
    const { promise, resolve } = gate()
    const busy = {
      ...echo,
      handleCall: (msg: string) => promise.then(() => [msg, null] as const),
      terminate: async () => { throw new Error('unclean') }
    }
    const ref: GenServerRef<unknown, string, never, string> = await Supervisor.startChild(supervisor, {
      id: 'busy', start: () => GenServer.start(busy), shutdownTimeout: 1
    })
    const call = GenServer.call(ref, 'a')
    await Promise.all([t.rejects(call, ServerNotRunningError), Supervisor.terminateChild(supervisor, 'busy')])
    resolve()
    await turn()
    t.notOk(GenServer.isRunning(ref))
  })

  t.test('stops a child that is still starting as soon as it has started', async t => {
    const supervisor = await started(t)
    const { promise, resolve } = gate()
    const log: string[] = []
    const spec = noted('a', log)
    const child = Supervisor.startChild(supervisor, { ...spec, start: () => promise.then(spec.start) })
    const terminated = Supervisor.terminateChild(supervisor, 'a')
    resolve()
    await t.rejects(child, /terminated while it was starting/)
    await terminated
    t.same(log, ['start a', 'end a: shutdown'])
    t.equal(Supervisor.countChildren(supervisor), 0)
  })
})

test('Supervisor.stop', async t => {
  t.test('stops the children in reverse order, once', async t => {
    const log: string[] = []
    const supervisor = await started(t, { children: ['1', '2', '3'].map(id => noted(id, log)) })
    log.length = 0
    await Promise.all([Supervisor.stop(supervisor), Supervisor.stop(supervisor)])
    await Supervisor.stop(supervisor)
    t.same(log, ['end 3: shutdown', 'end 2: shutdown', 'end 1: shutdown'])
    t.notOk(Supervisor.isRunning(supervisor))
  })

  t.test('does not wait for ever for a child that does not start', async t => {
    stayAwake(t)
    const supervisor = await started(t)
    const { promise, resolve } = gate()
    const log: string[] = []
    const spec = noted('late', log)
    const start = () => promise.then(spec.start)
    const child = Supervisor.startChild(supervisor, { ...spec, start, shutdownTimeout: 5 })
    await Supervisor.stop(supervisor)
    resolve()
    await t.rejects(child)
    t.same(log, ['start late', 'end late: shutdown'])
  })
})

test('A child that ends by itself', async t => {
  const cases: ReadonlyArray<readonly [ChildRestartStrategy, TerminateReason, boolean]> = [
    ['permanent', 'normal', true],
    ['permanent', 'shutdown', true],
    ['permanent', { error: new Error('crashed') }, true],
    ['transient', 'normal', false],
    ['transient', { error: new Error('crashed') }, true],
    ['temporary', { error: new Error('crashed') }, false]
  ]
  for (const [restart, reason, isRestarted] of cases) {
    const why = typeof reason === 'string' ? reason : 'an error'
    t.test(`is ${isRestarted ? 'restarted' : 'dropped'} when it is ${restart} and ended by ${why}`, async t => {
      const supervisor = await started(t, { children: [noted('a', [], restart)] })
      const first = Registry.lookup('a')
      await GenServer.stop(first, reason)
      await turn()
      t.equal(Registry.isRegistered('a'), isRestarted)
      t.equal(Supervisor.countChildren(supervisor), isRestarted ? 1 : 0)
      if (isRestarted) t.not(Registry.lookup('a').id, first.id)
      else await Supervisor.startChild(supervisor, noted('a', []))
    })
  }

  t.test('is restarted alone under one_for_one', async t => {
    t.same(await restartsOf(t, 'one_for_one'), ['end b: Error', 'start b'])
  })

  t.test('is restarted with all others under one_for_all', async t => {
    t.same(await restartsOf(t, 'one_for_all'), [
      'end b: Error', 'end c: shutdown', 'end a: shutdown', 'start a', 'start b', 'start c'
    ])
  })

  t.test('is restarted with the younger ones under rest_for_one', async t => {
    t.same(await restartsOf(t, 'rest_for_one'), ['end b: Error', 'end c: shutdown', 'start b', 'start c'])
  })

  t.test('is restarted once when several end at a time and all are restarted together', async t => {
    const log: string[] = []
    await started(t, { strategy: 'one_for_all', children: ['a', 'b'].map(id => noted(id, log)) })
    await Promise.all([crash('a'), crash('b')])
    await turn()
    t.same(log.filter(line => line.startsWith('start')), ['start a', 'start b', 'start a', 'start b'])
  })

  t.test('makes the supervisor give up when it ends too often', async t => {
    const log: string[] = []
    const supervisor = await started(t, { children: [noted('a', log), noted('b', log)] })
    for (let i = 0; i < 4; i++) {
      await crash('b')
      await turn()
    }
    t.notOk(Supervisor.isRunning(supervisor))
    t.equal(log.filter(line => line === 'start b').length, 4)
    t.equal(log.at(-1), 'end a: MaxRestartsExceededError', 'the others learn why')
    await t.rejects(Supervisor.startChild(supervisor, noted('c', [])), /is not running/)
    t.match(new MaxRestartsExceededError('s', 3, 5000), {
      name: 'MaxRestartsExceededError', supervisorId: 's', maxRestarts: 3, withinMs: 5000
    })
  })

  t.test('may end as often as it likes, if seldom enough', async t => {
    const supervisor = await started(t, {
      restartIntensity: { maxRestarts: 1, withinMs: 1 }, children: [noted('a', [])]
    })
    for (let i = 0; i < 5; i++) {
      await crash('a')
      await delay(5)
    }
    t.ok(Supervisor.isRunning(supervisor))
    t.match(Supervisor.getChild(supervisor, 'a'), { restartCount: 5 })
  })

  t.test('is started again until it starts, within the limit', async t => {
    const log: string[] = []
    const spec = noted('a', log)
    const failures = [false, true, true, false, true, true, true, true]
    const start = () => failures.shift() === true ? Promise.reject(new Error('not yet')) : spec.start()
    const supervisor = await started(t, { children: [{ ...spec, start }] })
    await crash('a')
    await turn()
    t.ok(Registry.isRegistered('a'))
    await crash('a')
    await turn()
    t.notOk(Supervisor.isRunning(supervisor))
    t.equal(failures.length, 4, 'the limit counts attempts')
  })

  t.test('stays down when it is terminated while it is being restarted', async t => {
    const log: string[] = []
    const spec = noted('a', log)
    const { promise, resolve } = gate()
    const starts = [spec.start, () => promise.then(spec.start)]
    const supervisor = await started(t, {
      children: [{ ...spec, start: () => (starts.shift() ?? spec.start)() }]
    })
    await crash('a')
    await turn()
    const terminated = Supervisor.terminateChild(supervisor, 'a')
    resolve()
    await terminated
    await turn()
    t.same(log, ['start a', 'end a: Error', 'start a', 'end a: shutdown'])
    t.ok(Supervisor.isRunning(supervisor))
  })
})

test('Supervisor.restartChild', async t => {
  t.test('replaces the server of a child in its place', async t => {
    const log: string[] = []
    const supervisor = await started(t, { children: [noted('a', log), noted('b', log)] })
    const ref = await Supervisor.restartChild(supervisor, 'a')
    t.same(Registry.lookup('a').id, ref.id)
    t.same(log, ['start a', 'start b', 'end a: shutdown', 'start a'])
    t.match(Supervisor.getChildren(supervisor), [{ id: 'a', restartCount: 1 }, { id: 'b', restartCount: 0 }])
  })

  t.test('drops a child that does not start again', async t => {
    const starts = [noted('a', []).start, () => Promise.reject(new Error('no'))]
    const start = () => starts.shift()?.() ?? Promise.reject(new Error('unexpected'))
    const supervisor = await started(t, { children: [{ id: 'a', start }] })
    await t.rejects(Supervisor.restartChild(supervisor, 'a'), { message: 'no' })
    t.equal(Supervisor.getChild(supervisor, 'a'), undefined)
    await t.rejects(Supervisor.restartChild(supervisor, 'a'), ChildNotFoundError)
  })
})

/** Crashes the second of three children and gives what then happened. */
async function restartsOf (t: Test, strategy: SupervisorOptions['strategy'] & string): Promise<string[]> {
  const log: string[] = []
  await started(t, { strategy, children: ['a', 'b', 'c'].map(id => noted(id, log)) })
  log.length = 0
  await crash('b')
  await turn()
  return log
}
