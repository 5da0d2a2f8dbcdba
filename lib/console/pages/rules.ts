import { el, button } from '../dom.js'
import { ask, confirm, jsonField } from '../dialogs.js'
import { ms, number, text, time, value } from '../format.js'
import { createFrame, section } from '../frame.js'
import type { Context, Page, View } from '../page.js'
import { poll } from '../poll.js'
import { createTable, facts } from '../table.js'

/** Time between two looks, in milliseconds. */
const EVERY_MS = 3_000
/** Events that are kept, the newest. */
const MAX_EVENTS = 200

interface Rule {
  readonly id: string
  readonly name: string
  readonly enabled: boolean
  readonly priority: number
  readonly version: number
  readonly tags: readonly string[]
  readonly group?: string
}

interface SeenEvent {
  readonly id: string
  readonly topic: string
  readonly source: string
  readonly timestamp: number
  readonly data: unknown
}

/** The rules, what they count, and the events that pass. */
export const rules: Page = { name: 'rules', title: 'Rules', open }

function open (context: Context): View {
  const { client } = context
  const counters = facts('Counters')
  const table = createTable<Rule>({
    label: 'Rules',
    columns: [
      { label: 'Rule', text: rule => rule.name, order: rule => rule.name },
      { label: 'Id', text: rule => rule.id, order: rule => rule.id, isMinor: true },
      {
        label: 'State',
        text: rule => rule.enabled ? 'on' : 'off',
        order: rule => rule.enabled ? 'on' : 'off',
        tone: rule => rule.enabled ? 'good' : 'warn',
        width: '5rem'
      },
      {
        label: 'Priority',
        text: rule => number(rule.priority),
        order: rule => rule.priority,
        isNumber: true,
        width: '6rem'
      },
      { label: 'Group', text: rule => text(rule.group), order: rule => text(rule.group), isMinor: true },
      { label: 'Tags', text: rule => text(rule.tags.join(', ')), isMinor: true }
    ],
    keyOf: rule => rule.id,
    onOpen: rule => { openRule(context, rule, () => { asked.now() }) },
    empty: 'Loading…'
  })
  const events = createTable<SeenEvent>({
    label: 'Events',
    columns: [
      { label: 'Time', text: event => time(event.timestamp), width: '7rem' },
      { label: 'Topic', text: event => event.topic, width: '14rem' },
      { label: 'From', text: event => event.source, width: '5rem' },
      { label: 'Data', text: event => value(event.data), isMinor: true }
    ],
    keyOf: event => event.id,
    onOpen: event => { showJson(`${event.topic}`, event) },
    empty: 'No event has come since this page was opened.'
  })
  const add = button('New rule…', () => { newRule(context, () => { asked.now() }) }, { class: 'primary' })
  const frame = createFrame('Rules', 'The rules', [add], counters.node, table.node,
    section('Events that pass', events.node, el('p', { class: 'quiet' }, 'Those that a rule has emitted ' +
      'are from “rule”. Why an action has failed is in the log of the server.')))
  let seen: SeenEvent[] = []
  let isDrawing = false
  const draw = (): void => {
    isDrawing = false
    events.show(seen)
  }
  draw()
  const onEvent = (event: SeenEvent): void => {
    if (document.visibilityState !== 'visible') return
    seen = [event, ...seen].slice(0, MAX_EVENTS)
    if (!isDrawing) requestAnimationFrame(draw)
    isDrawing = true
  }
  let stopEvents: (() => void) | undefined
  const asked = poll(client, EVERY_MS, async () => {
    const [stats, list] = await Promise.all([
      client.request<Readonly<Record<string, unknown>>>('rules.stats'),
      client.request<{ readonly rules: readonly Rule[] }>('rules.getRules')
    ])
    frame.recover()
    // Not before: without a rule engine, or the right, there are no events either.
    stopEvents ??= client.events('*', onEvent)
    counters.show(countersOf(stats))
    table.show(list.rules, 'There are no rules.')
  }, error => {
    frame.fail(error)
    table.show([], '')
  })
  return {
    node: frame.node,
    close: () => {
      asked.stop()
      stopEvents?.()
    }
  }
}

function countersOf (stats: Readonly<Record<string, unknown>>): Record<string, string> {
  const lost = ['chainsDropped', 'queueDropped', 'temporalDropped']
    .reduce((sum, name) => sum + (Number(stats[name]) || 0), 0)
  return {
    Rules: number(stats['rulesCount']),
    Timers: number(stats['timersCount']),
    Facts: number(stats['factsCount']),
    Events: number(stats['eventsProcessed']),
    'Rules that ran': number(stats['rulesExecuted']),
    'Mean time': ms(stats['avgProcessingTimeMs']),
    Waiting: number(stats['queueLength']),
    'Failed actions': number(stats['actionsFailed']),
    'Failed conditions': number(stats['conditionsFailed']),
    'Services too slow': number(stats['servicesTimedOut']),
    Dropped: number(lost)
  }
}

function openRule ({ client, notify }: Context, rule: Rule, onDone: () => void): void {
  client.request('rules.getRule', { ruleId: rule.id }).then((definition: unknown) => {
    const content = jsonField('Definition', definition)
    const toggle = button(rule.enabled ? 'Switch off' : 'Switch on', async () => {
      await client.request(rule.enabled ? 'rules.disableRule' : 'rules.enableRule', { ruleId: rule.id })
        .then(() => { notify(`${rule.name} is ${rule.enabled ? 'off' : 'on'}.`) },
          (error: Error) => { notify(error.message, 'failed') })
      close()
      onDone()
    })
    const remove = button('Remove…', () => {
      close()
      confirm(`Remove ${rule.name}?`, 'The rule is gone for good.', 'Remove', async () => {
        await client.request('rules.unregisterRule', { ruleId: rule.id })
        notify(`${rule.name} has been removed.`)
        onDone()
      })
    }, { class: 'danger' })
    const close = ask({
      title: rule.name,
      content: [content.node],
      action: 'Save',
      isWide: true,
      others: [remove, toggle],
      onAction: async () => {
        const given = content.read() ?? {}
        const { id: _id, version: _version, createdAt: _made, updatedAt: _changed, ...updates } = given
        await client.request('rules.updateRule', { ruleId: rule.id, updates })
        notify(`${rule.name} has been saved.`)
        onDone()
      }
    })
  }, (error: Error) => { notify(error.message, 'failed') })
}

function newRule ({ client, notify }: Context, onDone: () => void): void {
  const content = jsonField('Definition', {
    id: '', name: '', trigger: { type: 'event', topic: '' }, conditions: [], actions: []
  })
  ask({
    title: 'New rule',
    content: [content.node],
    action: 'Register',
    isWide: true,
    onAction: async () => {
      const rule = content.read() ?? {}
      const { id } = await client.request<{ readonly id: string }>('rules.registerRule', { rule })
      notify(`${id} has been registered.`)
      onDone()
    }
  })
}

function showJson (title: string, shown: unknown): void {
  const content = jsonField('Event', shown)
  content.input.readOnly = true
  ask({ title, content: [content.node], action: 'Close', isWide: true, onAction: async () => {} })
}
