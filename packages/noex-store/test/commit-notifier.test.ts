import { setImmediate as turn } from 'node:timers/promises'
import { test } from 'tap'
import { MemoryLog } from '../src/index.js'
import { startStore, users } from './support/store.js'

for (const where of ['onCommit', 'onDurable', 'on'] as const) {
  for (const hasLog of [false, true]) {
    const title = `${where} of a listener that writes at every commit (${hasLog ? 'with' : 'without'} a log)`
    test(title, async t => {
      const store = await startStore(t)
      const log = new MemoryLog()
      if (hasLog) await store.attachLog(log)
      await store.defineBucket('users', users)
      const heard: number[] = []
      store.onCommit(({ revision }) => { heard.push(revision) })
      let isOn = true
      let written = 0
      const write = (): void => {
        if (isOn) store.bucket('users').upsert({ id: 'a', age: ++written }).catch(() => {})
      }
      const stop = where === 'on' ? await store.on('bucket.users.*', write) : store[where](write)
      await store.bucket('users').insert({ id: 'first' })
      let longest = 0
      let busy = 0
      let before = 0
      let last = performance.now()
      for (let i = 0; i < 40; i++) {
        await turn()
        const now = performance.now()
        longest = Math.max(longest, now - last)
        last = now
        if (written > before) busy++
        before = written
      }
      isOn = false
      await store.settle()
      await store.whenDurable()
      await stop()
      t.ok(busy >= 20, 'others have their turns while it goes on')
      t.comment(`${written} writes, the longest turn took ${Math.round(longest)} ms`)
      t.strictSame(heard, heard.map((_, i) => (heard[0] as number) + i), 'in order, none twice')
      t.equal(heard.at(-1), store.revision, 'all are told')
      if (hasLog) t.equal(log.revision, store.revision)
    })
  }
}

test('what a listener writes is told to all in order, in the same turn while that is short', async t => {
  const store = await startStore(t)
  await store.defineBucket('users', users)
  const heard: string[] = []
  store.onCommit(({ revision }) => {
    heard.push(`first ${revision}`)
    if (revision < 5) store.bucket('users').upsert({ id: 'a' }).catch(t.error)
  })
  store.onCommit(({ revision }) => { heard.push(`second ${revision}`) })
  store.onDurable(({ revision }) => { heard.push(`durable ${revision}`) })
  store.bucket('users').insert({ id: 'b' }).catch(t.error)
  const order = [2, 3, 4, 5].flatMap(revision =>
    [`first ${revision}`, `second ${revision}`, `durable ${revision}`])
  t.strictSame(heard, order)
})
