import { el, field, fill, setText, verbatim } from '../dom.js'
import { jsonField } from '../dialogs.js'
import { ms, number } from '../format.js'
import { jsonBlock } from '../frame.js'
import type { Context } from '../page.js'
import { explain } from '../problem.js'

/** Characters of a result that are shown. */
const MAX_CHARS = 200_000

interface ListedQuery {
  readonly name: string
}

/** Makes a form that runs a query by its name. */
export function createQueryBox ({ client }: Context): HTMLElement {
  const names = el('datalist', { id: 'query-names' })
  const name = el('input', { required: true, list: names.id, ...verbatim })
  const params = jsonField('Parameters', undefined, 'JSON, for instance {"status":"open"}; empty for none.')
  params.input.rows = 3
  const outcome = el('p', { class: 'quiet', role: 'status' })
  const result = el('div')
  const run = el('button', { type: 'submit', class: 'primary' }, 'Run')
  const work = async (): Promise<void> => {
    const since = performance.now()
    const data = await client.request('store.query', { query: name.value, params: params.read() })
    const took = ms(performance.now() - since)
    setText(outcome, Array.isArray(data) ? `${number(data.length)} rows in ${took}` : `Answered in ${took}`)
    fill(result, resultBlock(data))
  }
  // Without the right to list queries, their names are to be known.
  client.request<{ readonly queries: readonly ListedQuery[] }>('store.listQueries').then(({ queries }) => {
    fill(names, ...queries.slice(0, 1_000).map(query => el('option', { value: query.name })))
  }, () => {})
  return el('form', {
    class: 'card stack',
    onsubmit (event: SubmitEvent) {
      event.preventDefault()
      run.disabled = true
      work().catch((error: unknown) => {
        setText(outcome, explain(error, 'This query'))
        fill(result)
      }).finally(() => { run.disabled = false })
    }
  }, names, field('Query', name), params.node, el('div', { class: 'row' }, run), outcome, result)
}

/** Shows the result of a query: as much of it as a page can show. */
export function resultBlock (data: unknown): HTMLElement {
  const text = JSON.stringify(data, undefined, 2) ?? ''
  if (text.length <= MAX_CHARS) return jsonBlock(data, 'Result')
  return el('div', {},
    el('p', { class: 'quiet' }, `The first ${number(MAX_CHARS)} of ${number(text.length)} characters.`),
    el('pre', { class: 'json', tabindex: 0, 'aria-label': 'Result' }, text.slice(0, MAX_CHARS)))
}
