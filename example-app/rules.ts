import { RuleEngine, type RuleInput } from 'fastify-noex/rules'
import { bridgeStoreToRules } from 'fastify-noex/store'
import { openStatuses, type DeskStore } from './model.js'

/** An order of this much, in cents, is announced. */
const LARGE_ORDER = 20_000

export interface DeskRulesOptions {
  /** Time after which an order that is not paid is called to mind, in milliseconds. */
  readonly paymentMs: number
  readonly onError: (error: Error) => void
}

/** The running rules and the way to end them. */
export interface DeskRules {
  readonly rules: RuleEngine
  readonly stop: () => Promise<void>
}

/** Starts what reacts to changes of the orders. The desk's pages listen to `desk.*`. */
export async function startRules (
  store: DeskStore, { paymentMs, onError }: DeskRulesOptions
): Promise<DeskRules> {
  const rules = await RuleEngine.start({ name: 'order-desk', onError })
  for (const rule of deskRules(paymentMs)) rules.registerRule(rule)
  const stopBridge = await bridgeStoreToRules(store, rules)
  await remindAgain(store, rules, paymentMs)
  return {
    rules,
    async stop () {
      await stopBridge()
      await rules.stop()
    }
  }
}

function deskRules (paymentMs: number): RuleInput[] {
  return [
    {
      id: 'large-order',
      name: 'A large order is announced',
      trigger: { type: 'event', topic: 'bucket.orders.inserted' },
      conditions: [{ source: { type: 'event', field: 'record.total' }, operator: 'gte', value: LARGE_ORDER }],
      actions: [{
        type: 'emit_event',
        topic: 'desk.large-order',
        data: { number: { ref: 'event.record.number' }, total: { ref: 'event.record.total' } }
      }]
    },
    {
      id: 'await-payment',
      name: 'An order that is not paid in time is called to mind',
      trigger: { type: 'event', topic: 'bucket.orders.inserted' },
      conditions: [{ source: { type: 'event', field: 'record.paid' }, operator: 'neq', value: true }],
      actions: [{
        type: 'set_timer',
        timer: {
          name: 'payment:${event.key}',
          duration: paymentMs,
          onExpire: {
            topic: 'desk.payment-due',
            data: { number: { ref: 'event.key' }, total: { ref: 'event.record.total' } }
          }
        }
      }]
    },
    settled('paid', 'A paid order is called to mind no more', 'newRecord.paid', true),
    settled('cancelled', 'Neither is a cancelled one', 'newRecord.status', 'cancelled')
  ]
}

/** A rule that ends the wait for a payment. */
function settled (id: string, name: string, field: string, value: unknown): RuleInput {
  return {
    id,
    name,
    trigger: { type: 'event', topic: 'bucket.orders.updated' },
    conditions: [{ source: { type: 'event', field }, operator: 'eq', value }],
    actions: [{ type: 'cancel_timer', name: 'payment:${event.key}' }]
  }
}

/** Timers live in memory: those of an earlier process are set again, for the time that is left. */
async function remindAgain (store: DeskStore, rules: RuleEngine, paymentMs: number): Promise<void> {
  const unpaid = await store.bucket('orders').where({ status: { $in: openStatuses }, paid: { $neq: true } })
  for (const { number, total, _createdAt } of unpaid) {
    const duration = Math.max(1, _createdAt + paymentMs - Date.now())
    const onExpire = { topic: 'desk.payment-due', data: { number, total } }
    await rules.setTimer({ name: `payment:${number}`, duration, onExpire })
  }
}
