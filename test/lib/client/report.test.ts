import t from 'tap'
import { callEach, report, shownUrl } from '../../../lib/client/report.js'
import { shownErrors } from '../../support/shown-errors.js'

t.test('a list may change while its items are called', async t => {
  const seen: number[] = []
  const items = new Set([1, 2])
  callEach(items, item => {
    seen.push(item)
    items.add(item + 2)
  })
  t.same(seen, [1, 2])
})

t.test('shows errors by reportError in a page, and on the console elsewhere', async t => {
  const shown = shownErrors(t)
  const reported: unknown[] = []
  const globals = globalThis as { document?: unknown, reportError?: unknown }
  globals.reportError = (error: unknown) => { reported.push(error) }
  report('without a page')
  globals.document = {}
  t.teardown(() => {
    delete globals.document
    delete globals.reportError
  })
  report('in a page')
  t.same(shown, ['without a page'])
  t.same(reported, ['in a page'])
})

t.test('a URL is shown without its secrets', async t => {
  t.equal(shownUrl('wss://bob:secret@h/live?token=secret'), 'wss://h/live')
  t.equal(shownUrl('wss://h/a@b'), 'wss://h/a@b')
})
