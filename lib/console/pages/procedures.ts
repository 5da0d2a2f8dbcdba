import { button, el } from '../dom.js'
import { ask, confirm, jsonField } from '../dialogs.js'
import { number, text } from '../format.js'
import { createFrame } from '../frame.js'
import type { Context, Page, View } from '../page.js'
import { poll } from '../poll.js'
import { createTable } from '../table.js'
import { resultBlock } from './query-box.js'

/** Time between two looks, in milliseconds. */
const EVERY_MS = 10_000

interface Procedure {
  readonly name: string
  readonly description?: string
  readonly stepsCount: number
}

interface ProcedureList {
  readonly procedures: readonly Procedure[]
}

/** The stored procedures: their definitions, and calls of them. */
export const procedures: Page = { name: 'procedures', title: 'Procedures', open }

function open (context: Context): View {
  const { client } = context
  const again = (): void => { asked.now() }
  const table = createTable<Procedure>({
    label: 'Procedures',
    columns: [
      { label: 'Procedure', text: row => row.name, order: row => row.name, width: '16rem' },
      { label: 'Description', text: row => text(row.description), isMinor: true },
      {
        label: 'Steps',
        text: row => number(row.stepsCount),
        order: row => row.stepsCount,
        isNumber: true,
        width: '6rem'
      }
    ],
    keyOf: row => row.name,
    onOpen: row => { openProcedure(context, row.name, again) },
    empty: 'Loading…'
  })
  const add = button('New procedure…', () => { newProcedure(context, again) }, { class: 'primary' })
  const frame = createFrame('Procedures', 'The procedures', [add], table.node)
  const asked = poll(client, EVERY_MS, async () => {
    const { procedures: list } = await client.request<ProcedureList>('procedures.list')
    frame.recover()
    table.show(list, 'There are no procedures.')
  }, frame.fail)
  return { node: frame.node, close: asked.stop }
}

function openProcedure (context: Context, name: string, onDone: () => void): void {
  const { client, notify } = context
  client.request('procedures.get', { name }).then((definition: unknown) => {
    const content = jsonField('Definition', definition)
    const call = button('Call…', () => {
      close()
      callProcedure(context, name)
    })
    const remove = button('Remove…', () => {
      close()
      confirm(`Remove ${name}?`, 'The procedure is gone for good.', 'Remove', async () => {
        await client.request('procedures.unregister', { name })
        notify(`${name} has been removed.`)
        onDone()
      })
    }, { class: 'danger' })
    const close = ask({
      title: name,
      content: [content.node],
      action: 'Save',
      isWide: true,
      others: [remove, call],
      onAction: async () => {
        const { name: _name, ...updates } = content.read() ?? {}
        await client.request('procedures.update', { name, updates })
        notify(`${name} has been saved.`)
        onDone()
      }
    })
  }, (error: Error) => { notify(error.message, 'failed') })
}

function callProcedure ({ client, notify }: Context, name: string): void {
  const input = jsonField('Input', {}, 'JSON. A call does what its steps say, at once.')
  input.input.rows = 5
  const result = el('div')
  ask({
    title: `Call ${name}`,
    content: [input.node, result],
    action: 'Call',
    isWide: true,
    staysOpen: true,
    onAction: async () => {
      const answer = await client.request('procedures.call', { name, input: input.read() ?? {} })
      notify(`${name} has been called.`)
      result.replaceChildren(resultBlock(answer))
    }
  })
}

function newProcedure ({ client, notify }: Context, onDone: () => void): void {
  const content = jsonField('Definition', { name: '', description: '', input: {}, steps: [] })
  ask({
    title: 'New procedure',
    content: [content.node],
    action: 'Register',
    isWide: true,
    onAction: async () => {
      const { name } = await client.request<{ readonly name: string }>('procedures.register', {
        procedure: content.read() ?? {}
      })
      notify(`${name} has been registered.`)
      onDone()
    }
  })
}
