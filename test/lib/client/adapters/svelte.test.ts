import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { NoexClientError } from '../../../../lib/client/errors.js'
import { useConnection, useInfinite, useMutation, useQuery } from '../../../../lib/client/adapters/svelte.js'
import { openPage, useFrameworks } from '../../../support/frameworks.js'
import { HandClient, HandQuery } from '../../../support/hand-client.js'
import { writeModule } from '../../../support/write-module.js'

useFrameworks()
const page = openPage()
const { get, fromStore } = await import('svelte/store')
const { compile } = await import('svelte/compiler')
const { flushSync, mount, unmount } = await import('svelte')
const { render } = await import('svelte/server')

/** Returns the component of a source, for a browser or for a server. */
async function component (t: Tap.Test, source: string, generate: 'client' | 'server' = 'client') {
  const { js } = compile(source, { generate, runes: true })
  return (await writeModule(t, js.code))['default'] as any
}

t.test('useQuery has the first data, each change, an error, and ends with its last reader', async t => {
  const query = new HandQuery<string[]>()
  const shown: unknown[] = []
  const end = useQuery(query).subscribe(({ status, data, error }) => { shown.push([status, data, error]) })
  await setImmediate()
  t.equal(query.listeners.size, 1)
  query.show(['a'])
  const error = new NoexClientError('NOT_FOUND', 'there is no such query')
  query.fail(error)
  t.same(shown, [['loading', undefined, undefined], ['live', ['a'], undefined], ['error', ['a'], error]])
  end()
  t.equal(query.listeners.size, 0)
  query.show(['late'])
  t.equal(shown.length, 3)
})
