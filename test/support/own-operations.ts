import type { Test } from 'tap'
import { Type, type TObject } from 'typebox'
import {
  operation, type ApplicationOperation, type HandlerContext, type NoexOptions
} from '../../lib/index.js'
import { logInto, type LogLine } from './log-into.js'
import { serve, type Served, type ServeSettings } from './service.js'

/** The context of a handler whose input is any. */
export type Context = HandlerContext<any>

/** Defines the operation `shop.act` with this handler; `definition` adds to it, or replaces. */
export function act (
  handler: (context: Context) => unknown, definition: object = {}
): ApplicationOperation {
  return operation({ name: 'shop.act', handler, ...definition } as Parameters<typeof operation>[0])
}

/** The input of an operation that takes any members of these names. */
export function anyOf (...names: string[]): TObject {
  return Type.Object(Object.fromEntries(names.map(name => [name, Type.Optional(Type.Unknown())])))
}

export interface ServedOperations extends Served {
  /** The warnings and errors of the log. */
  readonly lines: LogLine[]
}

/** Serves operations of an application, and keeps the log. */
export async function serveOperations (
  t: Test, operations: readonly ApplicationOperation[], options: Omit<NoexOptions, 'store'> = {},
  settings: ServeSettings = {}
): Promise<ServedOperations> {
  const lines: LogLine[] = []
  const fastify = { logger: logInto(lines), ...settings.fastify }
  return { ...await serve(t, { operations, ...options }, { ...settings, fastify }), lines }
}
