import { createHook } from 'node:async_hooks'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises'
import { test, type Test } from 'tap'
import {
  AlreadyRegisteredError, CallTimeoutError, DEFAULTS, GenServer, type GenServerBehavior, type GenServerRef,
  InitializationError, NotRegisteredError, Registry, ServerNotRunningError, type TerminateReason, VERSION
} from '@hamicek/noex'

/** Answers each number with the sum so far. */
const adder: GenServerBehavior<number, number, number, number> = {
  init: () => 0,
  handleCall: (n, sum) => [sum + n, sum + n],
  handleCast: (n, sum) => sum + n
}

/** Holds each handler until its gate is opened, and notes what begins and what ends. */
function gatedBehavior () {
  const log: string[] = []
  const gates = new Map<string, () => void>()
  const pass = (name: string) => new Promise<void>(resolve => gates.set(name, resolve))
  const behavior: GenServerBehavior<string[], string, string, string> = {
    init: () => [],
    async handleCall (name, handled) {
      log.push(`begin ${name}`)
      await pass(name)
      log.push(`end ${name}`)
      return [name, [...handled, name]]
    },
    async handleCast (name, handled) {
      log.push(`begin ${name}`)
      await pass(name)
      log.push(`end ${name}`)
      return [...handled, name]
    }
  }
  /** Opens the gate at which `name` waits, or will. */
  async function open (name: string): Promise<void> {
    while (!gates.has(name)) await turn()
    gates.get(name)?.()
    await turn()
  }
  return { behavior, log, open }
}

async function started<State, Call, Cast, Reply> (
  t: Test,
  behavior: GenServerBehavior<State, Call, Cast, Reply>,
  name?: string
): Promise<GenServerRef<State, Call, Cast, Reply>> {
  const ref = await GenServer.start(behavior, name === undefined ? {} : { name })
  t.teardown(() => GenServer.stop(ref).catch(() => {}))
  return ref
}

/** Keeps the process alive during a test that waits for nothing but a timer of the kernel. */
function stayAwake (t: Test): void {
  const timer = setInterval(() => {}, 1000)
  t.teardown(() => clearInterval(timer))
}

test('GenServer.start', async t => {
  t.test('gives a plain, serializable ref of a running server', async t => {
    const ref = await started(t, adder)
    t.same(JSON.parse(JSON.stringify(ref)), { id: ref.id })
    t.ok(GenServer.isRunning(ref))
    t.ok(GenServer.isRunning(Object.freeze({ id: ref.id })), 'the id alone is the identity')
    t.notOk(GenServer.isRunning({ id: 'unknown' }))
  })

  t.test('waits for an asynchronous init', async t => {
    const ref = await started(t, { ...adder, init: async () => 40 })
    t.equal(await GenServer.call(ref, 2), 42)
  })

  t.test('rejects once when init throws, and nothing comes later', async t => {
    const cause = new TypeError('no')
    const failing = { ...adder, init (): number { throw cause } }
    const error = await rejection(GenServer.start(failing, { name: 'failing', initTimeout: 1 }))
    t.ok(error instanceof InitializationError)
    t.match(error, { name: 'InitializationError', serverId: String })
    t.equal((error as InitializationError).cause, cause)
    await delay(5)
    t.notOk(Registry.isRegistered('failing'))
    await started(t, adder, 'failing')
  })

  t.test('rejects when init rejects, whatever with', async t => {
    const failing = { ...adder, init: (): Promise<number> => rejecting('text') }
    t.match(await rejection(GenServer.start(failing)), { cause: { message: 'text' } })
  })

  t.test('rejects when init takes longer than initTimeout', async t => {
    stayAwake(t)
    const endless = { ...adder, init: () => new Promise<number>(() => {}) }
    const error = await rejection(GenServer.start(endless, { name: 'endless', initTimeout: 5 }))
    t.match(error, { name: 'InitializationError', cause: { message: /5 ms/ } })
    await started(t, adder, 'endless')
  })

  t.test('does not mind an init that rejects after its time', async t => {
    stayAwake(t)
    const late = { ...adder, init: () => delay(10).then((): number => { throw new Error('late') }) }
    t.ok(await rejection(GenServer.start(late, { initTimeout: 1 })) instanceof InitializationError)
    await delay(15)
  })

  t.test('takes a name that nobody else has, before init runs', async t => {
    await started(t, adder, 'unique')
    let initialized = false
    const error = await rejection(GenServer.start({
      ...adder,
      init () {
        initialized = true
        return 0
      }
    }, { name: 'unique' }))
    t.ok(error instanceof AlreadyRegisteredError)
    t.match(error, { name: 'AlreadyRegisteredError', registeredName: 'unique' })
    t.notOk(initialized)
  })

  t.test('lets one of two concurrent starts have the name', async t => {
    const slow = { ...adder, init: async () => 0 }
    const outcomes = await Promise.allSettled([
      GenServer.start(slow, { name: 'raced' }), GenServer.start(slow, { name: 'raced' })
    ])
    t.same(outcomes.map(({ status }) => status), ['fulfilled', 'rejected'])
    await GenServer.stop(Registry.lookup('raced'))
  })
})

test('GenServer.call', async t => {
  t.test('begins the handler of an idle server before it returns', async t => {
    const ref = await started(t, adder)
    const replies = [GenServer.call(ref, 1), GenServer.call(ref, 1)]
    GenServer.cast(ref, 40)
    t.same(await Promise.all(replies), [1, 2])
    t.equal(await GenServer.call(ref, 0), 42)
  })

  t.test('costs one promise and no timer when it is answered in place', async t => {
    const ref = await started(t, adder)
    const timers = t.capture(globalThis, 'setTimeout')
    let promises = 0
    const hook = createHook({ init (_id, type) { if (type === 'PROMISE') promises++ } }).enable()
    const reply = GenServer.call(ref, 1)
    hook.disable()
    t.equal(promises, 1)
    t.equal(timers().length, 0)
    t.equal(await reply, 1)
  })

  t.test('passes replies by reference, undefined too', async t => {
    const reply = { deep: {} }
    const ref = await started(t, {
      init: () => 0,
      handleCall: (wanted: boolean, state: number) => [wanted ? reply : undefined, state],
      handleCast: (_msg: never, state: number) => state
    })
    t.equal(await GenServer.call(ref, true), reply)
    t.equal(await GenServer.call(ref, false), undefined)
  })

  t.test('rejects with the very error that the handler throws, and the server goes on', async t => {
    class Refusal extends Error { readonly field = 'email' }
    const refusal = new Refusal('no')
    const throwing: unknown[] = [refusal, refusal, 'text']
    const ref = await started(t, {
      init: () => 0,
      handleCall (mode: 'throw' | 'reject' | 'answer', count: number) {
        if (mode === 'answer') return [count, count + 1] as const
        if (mode === 'reject') return Promise.reject(throwing.shift())
        throw throwing.shift()
      },
      handleCast: (_msg: never, count: number) => count
    })
    t.equal(await rejection(GenServer.call(ref, 'throw')), refusal)
    t.equal(await rejection(GenServer.call(ref, 'reject')), refusal)
    const wrapped = await rejection(GenServer.call(ref, 'throw'))
    t.match(wrapped, { message: 'text' })
    t.ok(wrapped instanceof Error)
    t.equal(await GenServer.call(ref, 'answer'), 0, 'the state is unchanged')
  })

  t.test('rejects when a handler does not give a reply and a state', async t => {
    const ref = await started(t, { ...adder, handleCall: (n: number) => JSON.parse(n > 0 ? '1' : 'null') })
    t.ok(await rejection(GenServer.call(ref, -1)) instanceof TypeError)
    const awaited = await started(t, { ...adder, handleCall: async () => JSON.parse('null') })
    t.ok(await rejection(GenServer.call(awaited, 1)) instanceof TypeError)
    t.ok(GenServer.isRunning(awaited))
  })

  t.test('handles 100 interleaved calls of an asynchronous handler in order, one at a time', async t => {
    let active = 0
    let mostActive = 0
    const ref = await started(t, {
      init: (): number[] => [],
      async handleCall (n: number, seen: number[]) {
        mostActive = Math.max(mostActive, ++active)
        await turn()
        active--
        const answer: readonly [number, number[]] = [n, [...seen, n]]
        return answer
      },
      handleCast: (_msg: never, seen: number[]) => seen
    })
    const numbers = Array.from({ length: 100 }, (_, n) => n)
    t.same(await Promise.all(numbers.map(n => GenServer.call(ref, n))), numbers)
    t.equal(mostActive, 1)
  })

  t.test('keeps the order of calls and casts', async t => {
    const { behavior, log, open } = gatedBehavior()
    const ref = await started(t, behavior)
    const first = GenServer.call(ref, 'a')
    GenServer.cast(ref, 'b')
    const last = GenServer.call(ref, 'c')
    for (const name of ['a', 'b', 'c']) await open(name)
    t.same(await Promise.all([first, last]), ['a', 'c'])
    t.same(log, ['begin a', 'end a', 'begin b', 'end b', 'begin c', 'end c'])
  })

  t.test('queues what a synchronous handler sends to its own server', async t => {
    const log: string[] = []
    const nested: Array<Promise<string>> = []
    const ref: GenServerRef<null, string, string, string> = await started(t, {
      init: () => null,
      handleCall (msg: string, state: null) {
        log.push(`begin ${msg}`)
        if (msg === 'failing') throw new Error(msg)
        if (msg === 'outer') {
          nested.push(GenServer.call(ref, 'failing').catch((error: Error) => `not ${error.message}`))
          nested.push(GenServer.call(ref, 'inner'))
          GenServer.cast(ref, 'cast')
        }
        log.push(`end ${msg}`)
        return [msg, state] as const
      },
      handleCast (msg: string, state: null) {
        log.push(msg)
        return state
      }
    })
    t.equal(await GenServer.call(ref, 'outer'), 'outer')
    t.same(await Promise.all(nested), ['not failing', 'inner'])
    t.same(log, ['begin outer', 'end outer', 'begin failing', 'begin inner', 'end inner', 'cast'])
  })

  t.test('handles a long queue without recursion', async t => {
    const ref: GenServerRef<number, number, number, number> = await started(t, {
      ...adder,
      handleCall (n: number, sum: number) {
        for (let i = 0; i < n; i++) GenServer.cast(ref, 1)
        return [sum, sum] as const
      }
    })
    await GenServer.call(ref, 50_000)
    t.equal(await GenServer.call(ref, 0), 50_000)
  })

  t.test('rejects, and never throws, for a server that does not run', async t => {
    const error = await rejection(GenServer.call({ id: 'nobody' }, 1))
    t.ok(error instanceof ServerNotRunningError)
    t.match(error, { name: 'ServerNotRunningError', serverId: 'nobody', message: /is not running/ })
  })
})

test('A call that times out', async t => {
  t.test('is never handled when its turn had not come', async t => {
    stayAwake(t)
    const { behavior, log, open } = gatedBehavior()
    const ref = await started(t, behavior)
    const running = GenServer.call(ref, 'a')
    const waiting = GenServer.call(ref, 'b', { timeout: 5 })
    GenServer.cast(ref, 'c')
    const error = await rejection(waiting)
    t.ok(error instanceof CallTimeoutError)
    t.match(error, { name: 'CallTimeoutError', serverId: ref.id, timeoutMs: 5 })
    await open('a')
    await open('c')
    t.equal(await running, 'a')
    t.same(log, ['begin a', 'end a', 'begin c', 'end c'])
  })

  t.test('lets a handler that had begun finish, and keeps its state', async t => {
    stayAwake(t)
    const { behavior, open } = gatedBehavior()
    let state: readonly string[] = []
    const ref = await started(t, { ...behavior, terminate (_reason, handled) { state = handled } })
    t.ok(await rejection(GenServer.call(ref, 'a', { timeout: 5 })) instanceof CallTimeoutError)
    const next = GenServer.call(ref, 'b')
    await open('a')
    await open('b')
    t.equal(await next, 'b')
    await GenServer.stop(ref)
    t.same(state, ['a', 'b'])
  })

  t.test('does so at its own time, whatever the others wait', async t => {
    stayAwake(t)
    const { behavior, open } = gatedBehavior()
    const ref = await started(t, behavior)
    const ends: string[] = []
    const patient = GenServer.call(ref, 'a', { timeout: Infinity })
    const others = [['slow', 30], ['fast', 5], ['default', DEFAULTS.CALL_TIMEOUT]] as const
    const [slow, fast, usual] = others.map(([name, timeout]) =>
      GenServer.call(ref, name, { timeout }).catch(() => { ends.push(name) }))
    await Promise.all([slow, fast])
    t.same(ends, ['fast', 'slow'])
    await open('a')
    await open('default')
    t.equal(await patient, 'a')
    await usual
    t.same(ends, ['fast', 'slow'])
  })

  t.test('does so too when a synchronous handler had queued it before the server got busy', async t => {
    stayAwake(t)
    const { promise, resolve } = gate()
    let inner: Array<Promise<string>> = []
    const ref: GenServerRef<null, string, never, string> = await started(t, {
      init: () => null,
      handleCall (msg: string, state: null) {
        if (msg === 'long') return promise.then(() => [msg, state] as const)
        inner = [GenServer.call(ref, 'long'), GenServer.call(ref, 'behind it', { timeout: 5 })]
        return [msg, state] as const
      },
      handleCast: (_msg: never, state: null) => state
    })
    await GenServer.call(ref, 'first')
    const [long, behind] = await Promise.allSettled([inner[0], inner[1]?.finally(resolve)])
    t.match(long, { status: 'fulfilled', value: 'long' })
    t.match(behind, { status: 'rejected', reason: CallTimeoutError })
  })

  t.test('is what a handler gets that waits for its own server', async t => {
    stayAwake(t)
    const ref: GenServerRef<null, string, never, string> = await started(t, {
      init: () => null,
      async handleCall (msg: string, state: null) {
        if (msg === 'inner') return [msg, state] as const
        return [await GenServer.call(ref, 'inner', { timeout: 5 }), state] as const
      },
      handleCast: (_msg: never, state: null) => state
    })
    t.ok(await rejection(GenServer.call(ref, 'outer')) instanceof CallTimeoutError)
    t.equal(await GenServer.call(ref, 'inner'), 'inner')
  })

  t.test('does not keep the process alive while it waits', async t => {
    const { behavior, open } = gatedBehavior()
    const ref = await started(t, behavior)
    const timers = () => process.getActiveResourcesInfo().filter(type => type === 'Timeout').length
    const before = timers()
    const waiting = GenServer.call(ref, 'a')
    t.equal(timers(), before)
    await open('a')
    await waiting
  })
})

test('GenServer.cast', async t => {
  t.test('drops what the handler throws; the state stays and the server goes on', async t => {
    const ref = await started(t, {
      ...adder,
      handleCast (n: number, sum: number) {
        if (n < 0) throw new Error('negative')
        return n > 100 ? Promise.reject(new Error('too large')) : sum + n
      }
    })
    for (const n of [1, -1, 101, 2]) GenServer.cast(ref, n)
    t.equal(await GenServer.call(ref, 0), 3)
  })

  t.test('takes the state of an asynchronous handler', async t => {
    const ref = await started(t, { ...adder, handleCast: async (n: number, sum: number) => sum + n })
    GenServer.cast(ref, 1)
    GenServer.cast(ref, 2)
    t.equal(await GenServer.call(ref, 0), 3)
  })

  t.test('throws for a server that does not run', async t => {
    t.throws(() => GenServer.cast({ id: 'nobody' }, 1), ServerNotRunningError)
    const ref: GenServerRef<number, number, number, number> = await started(t, {
      ...adder,
      terminate () { t.throws(() => GenServer.cast(ref, 1), ServerNotRunningError) }
    })
    await GenServer.stop(ref)
    t.throws(() => GenServer.cast(ref, 1), ServerNotRunningError)
  })
})

test('GenServer.stop', async t => {
  t.test('hands the reason and the last state to terminate, and then the name is free', async t => {
    const ends: Array<[TerminateReason, number]> = []
    const ending = { ...adder, terminate (reason: TerminateReason, sum: number) { ends.push([reason, sum]) } }
    const ref = await started(t, ending, 'reused')
    await GenServer.call(ref, 2)
    await GenServer.stop(ref)
    t.same(ends, [['normal', 2]])
    t.notOk(GenServer.isRunning(ref))
    t.equal(Registry.whereis('reused'), undefined)
    const again = await started(t, ending, 'reused')
    t.not(again.id, ref.id)
    const error = new Error('broken')
    await GenServer.stop(again, { error })
    t.same(ends.at(-1), [{ error }, 0])
  })

  t.test('answers what came before, rejects what came after, and settles every stop', async t => {
    const { behavior, open, log } = gatedBehavior()
    const ref = await started(t, behavior)
    const before = [GenServer.call(ref, 'a'), GenServer.call(ref, 'b')]
    const stops = [GenServer.stop(ref), GenServer.stop(ref)]
    const after = t.rejects(GenServer.call(ref, 'c'), ServerNotRunningError)
    GenServer.cast(ref, 'd')
    t.ok(GenServer.isRunning(ref), 'it runs until its turn to stop has come')
    await open('a')
    await open('b')
    t.same(await Promise.all(before), ['a', 'b'])
    await after
    await Promise.all(stops)
    await GenServer.stop(ref)
    t.same(log, ['begin a', 'end a', 'begin b', 'end b'])
  })

  t.test('waits for an asynchronous terminate, during which nothing is taken', async t => {
    const { promise, resolve } = gate()
    const ref = await started(t, { ...adder, terminate: () => promise }, 'finishing')
    const stopped = GenServer.stop(ref)
    t.notOk(GenServer.isRunning(ref))
    t.ok(Registry.isRegistered('finishing'), 'the name is held to the end')
    t.ok(await rejection(GenServer.call(ref, 1)) instanceof ServerNotRunningError)
    resolve()
    await stopped
    t.notOk(Registry.isRegistered('finishing'))
  })

  t.test('rejects with what terminate throws, and the server has stopped', async t => {
    const error = new Error('unclean')
    for (const terminate of [() => { throw error }, () => Promise.reject(error)]) {
      const ref = await started(t, { ...adder, terminate }, 'unclean')
      t.equal(await rejection(GenServer.stop(ref)), error)
      t.notOk(GenServer.isRunning(ref))
      t.notOk(Registry.isRegistered('unclean'))
    }
  })

  t.test('is fine with a ref that nobody knows', async t => {
    await t.resolves(GenServer.stop({ id: 'nobody' }))
  })

  t.test('can be asked for by a handler of the server itself', async t => {
    const ref: GenServerRef<number, number, number, number> = await started(t, {
      ...adder,
      handleCast (n: number) {
        GenServer.stop(ref).catch(t.fail)
        return n
      }
    })
    GenServer.cast(ref, 1)
    t.notOk(GenServer.isRunning(ref))
  })
})

test('Registry', async t => {
  t.test('finds servers by the name of their start', async t => {
    const ref = await started(t, adder, 'found')
    t.same(Registry.lookup('found'), ref)
    t.same(Registry.whereis('found'), ref)
    t.ok(Registry.isRegistered('found'))
    t.same(Registry.getNames(), ['found'])
    t.equal(Registry.count(), 1)
  })

  t.test('tells that a name is not registered', async t => {
    t.throws(() => Registry.lookup('nobody'), new NotRegisteredError('nobody'))
    t.match(new NotRegisteredError('nobody'), { name: 'NotRegisteredError', processName: 'nobody' })
    t.equal(Registry.whereis('nobody'), undefined)
    t.notOk(Registry.isRegistered('nobody'))
  })

  t.test('gives a running server further names, until it stops', async t => {
    const ref = await started(t, adder, 'first')
    Registry.register('second', ref)
    t.throws(() => Registry.register('second', ref), AlreadyRegisteredError)
    t.throws(() => Registry.register('third', { id: 'nobody' }), ServerNotRunningError)
    Registry.unregister('first')
    Registry.unregister('first')
    t.same(Registry.getNames(), ['second'])

    const other = await started(t, adder, 'first')
    await GenServer.stop(ref)
    t.same(Registry.getNames(), ['first'])
    t.same(Registry.lookup('first'), other, 'the name that was given away is left alone')
  })
})

test('The process', async t => {
  t.test('exits by itself within 100 ms once everything has stopped', async t => {
    const child = fork(new URL('fixtures/exit-after-stop.js', import.meta.url))
    t.same(await once(child, 'exit'), [0, null])
  })

  t.test('can read the version of the package', async t => {
    const manifest: unknown = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'))
    t.match(manifest, { version: VERSION })
  })
})

/** Gives what a promise rejects with. */
async function rejection (promise: Promise<unknown>): Promise<unknown> {
  return promise.then(() => { throw new Error('The promise was expected to reject') }, (error: unknown) => error)
}

/** Makes a promise that is resolved from outside. */
function gate () {
  let resolve = () => {}
  const promise = new Promise<void>(_resolve => { resolve = _resolve })
  return { promise, resolve }
}

/** Gives a promise that rejects with `reason`, an Error or not. */
async function rejecting (reason: unknown): Promise<never> {
  throw reason
}
