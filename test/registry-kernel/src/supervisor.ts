import type { Child, ChildSpec } from './child.js'
import { DEFAULTS } from './defaults.js'
import { type GenServerRef, nextId } from './ref.js'
import { RestartIntensity, type RestartIntensityOptions } from './restart-intensity.js'
import { Supervision, type SupervisorStrategy } from './supervision.js'

declare const supervisorBrand: unique symbol

/** The address of a supervisor. */
export interface SupervisorRef {
  readonly id: string
  readonly [supervisorBrand]?: true
}

/** How a supervisor is started. */
export interface SupervisorOptions {
  /** Which children are restarted together. Defaults to `one_for_one`. */
  readonly strategy?: SupervisorStrategy
  /** Children to start with the supervisor, in this order. */
  readonly children?: readonly ChildSpec[]
  /** Accepted and not used: a supervisor is not registered by name. */
  readonly name?: string
  /** When to give up. Defaults to 3 restarts within 5000 ms. */
  readonly restartIntensity?: RestartIntensityOptions
}

/** Facts about one child. */
export interface ChildInfo {
  readonly id: string
  /** The server that runs now; it changes with a restart. */
  readonly ref: GenServerRef
  readonly spec: ChildSpec
  /** How often the child was started again. */
  readonly restartCount: number
}

const supervisors = new Map<string, Supervision>()

/** Starts servers, stops them in reverse order, and restarts those that end by themselves. */
export const Supervisor = {
  start,
  startChild,
  terminateChild,
  restartChild,
  getChildren,
  getChild,
  countChildren,
  isRunning,
  stop
}

/**
 * Starts a supervisor with its first children.
 * Rejects with what a child's start throws; the children started before are stopped again.
 */
async function start (options: SupervisorOptions = {}): Promise<SupervisorRef> {
  const intensity = new RestartIntensity(options.restartIntensity ?? {
    maxRestarts: DEFAULTS.MAX_RESTARTS,
    withinMs: DEFAULTS.RESTART_WITHIN_MS
  })
  const id = nextId('supervisor')
  const forget = () => { supervisors.delete(id) }
  const supervision = new Supervision(id, options.strategy ?? 'one_for_one', intensity, forget)
  try {
    for (const spec of options.children ?? []) await supervision.startChild(spec)
  } catch (error) {
    await supervision.stop('shutdown')
    throw error
  }
  supervisors.set(id, supervision)
  return { id }
}

/**
 * Starts a child and gives its ref.
 *
 * Rejects with `DuplicateChildError` before anything is started, with what `spec.start` throws, or
 * with an Error when the supervisor is unknown or stopped.
 */
async function startChild (ref: SupervisorRef, spec: ChildSpec): Promise<GenServerRef> {
  return running(ref).startChild(spec)
}

/**
 * Stops a child for good: it is not restarted, and its id and its server's name are free when this
 * resolves. A child that takes longer than its `shutdownTimeout` is stopped by force; what its
 * `terminate` throws is dropped. Rejects with `ChildNotFoundError`.
 */
async function terminateChild (ref: SupervisorRef, childId: string): Promise<void> {
  await running(ref).terminateChild(childId)
}

/**
 * Stops a child, starts it again and gives the new ref; does not count as a restart of the limit.
 * Rejects with `ChildNotFoundError`, or with what the start throws; the child is then gone.
 */
async function restartChild (ref: SupervisorRef, childId: string): Promise<GenServerRef> {
  return running(ref).restartChild(childId)
}

/** Lists the children, oldest first. Throws an Error when the supervisor is unknown or stopped. */
function getChildren (ref: SupervisorRef): ChildInfo[] {
  return running(ref).children.flatMap(child => describe(child) ?? [])
}

/** Finds a child; `undefined` when there is none. Throws an Error when the supervisor is unknown. */
function getChild (ref: SupervisorRef, childId: string): ChildInfo | undefined {
  return getChildren(ref).find(child => child.id === childId)
}

/** Counts the children. Throws an Error when the supervisor is unknown or stopped. */
function countChildren (ref: SupervisorRef): number {
  return getChildren(ref).length
}

/** Tells whether a supervisor has started and neither begun to stop nor given up. */
function isRunning (ref: SupervisorRef): boolean {
  return supervisors.get(ref.id)?.isRunning ?? false
}

/**
 * Stops a supervisor and its children, the youngest first, each after the messages sent to it before.
 * One that has stopped is fine. Never rejects.
 */
async function stop (ref: SupervisorRef): Promise<void> {
  await supervisors.get(ref.id)?.stop('shutdown')
}

function running (ref: SupervisorRef): Supervision {
  const supervision = supervisors.get(ref.id)
  if (supervision === undefined || !supervision.isRunning) {
    throw new Error(`Supervisor "${ref.id}" is not running`)
  }
  return supervision
}

function describe (child: Child): ChildInfo | undefined {
  const { ref, spec, restartCount } = child
  return ref === undefined ? undefined : { id: spec.id, ref, spec, restartCount }
}
