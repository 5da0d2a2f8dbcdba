import t, { type Test } from 'tap'
import { environment, MAX_DELAY_MS } from '../../../lib/client/environment.js'

interface Page {
  readonly window: EventTarget
  readonly document: EventTarget & { visibilityState: string }
  onLine: boolean
}

/** Makes this process a page, whose events the test dispatches, until the test is over. */
function page (t: Test): Page {
  const window = new EventTarget()
  const document = Object.assign(new EventTarget(), { visibilityState: 'visible' })
  const navigator = { onLine: true }
  const globals = {
    document, navigator, addEventListener: window.addEventListener.bind(window)
  }
  for (const [name, value] of Object.entries(globals)) {
    const former = Object.getOwnPropertyDescriptor(globalThis, name)
    Object.defineProperty(globalThis, name, { value, configurable: true })
    t.teardown(() => {
      delete (globalThis as Record<string, unknown>)[name]
      if (former !== undefined) Object.defineProperty(globalThis, name, former)
    })
  }
  return {
    window,
    document,
    get onLine () { return navigator.onLine },
    set onLine (value) { navigator.onLine = value }
  }
}

t.test('hears of the network and of the page, until it is told not to', async t => {
  const { window, document } = page(t)
  const heard: string[] = []
  const end = environment.watch(() => { heard.push('wake') }, () => { heard.push('offline') })
  window.dispatchEvent(new Event('offline'))
  window.dispatchEvent(new Event('online'))
  document.dispatchEvent(new Event('visibilitychange'))
  t.same(heard, ['offline', 'wake', 'wake'])
  end()
  for (const type of ['offline', 'online']) window.dispatchEvent(new Event(type))
  document.dispatchEvent(new Event('visibilitychange'))
  t.equal(heard.length, 3)
})

t.test('a page that is hidden, or seen without a network, wakes nothing', async t => {
  const surroundings = page(t)
  let wakes = 0
  t.teardown(environment.watch(() => { wakes++ }, () => {}))
  surroundings.document.visibilityState = 'hidden'
  surroundings.document.dispatchEvent(new Event('visibilitychange'))
  surroundings.document.visibilityState = 'visible'
  surroundings.onLine = false
  surroundings.document.dispatchEvent(new Event('visibilitychange'))
  t.equal(wakes, 0)
})

t.test('does without a page', async t => {
  t.doesNotThrow(() => { environment.watch(() => {}, () => {})() })
})

t.test('calls after a delay, unless that is taken back', async t => {
  const calls: number[] = []
  environment.after(1, () => { calls.push(1) })()
  const before = environment.now()
  await new Promise<void>(resolve => { environment.after(2, resolve) })
  t.same(calls, [])
  t.ok(environment.now() >= before)
})

t.test('a delay that no timer can have does not end at once', async t => {
  let calls = 0
  for (const delayMs of [MAX_DELAY_MS + 1, Infinity]) environment.after(delayMs, () => { calls++ })
  await new Promise<void>(resolve => { environment.after(5, resolve) })
  t.equal(calls, 0)
})
