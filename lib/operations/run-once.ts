import type { RequestToRemember, RememberedRequest } from '@hamicek/noex-store'
import { refusesWrites } from '../store/noex-store.js'
import { answerText } from '../idempotency/answer-text.js'
import { digestOf } from '../idempotency/request-digest.js'
import { AskedRights, hasSameRights } from '../permissions/asked-rights.js'
import { EncodedJson } from '../protocol/encode.js'
import { NoexServerError } from '../protocol/errors.js'
import type { RequestMessage } from '../protocol/messages.js'
import { causedBy } from '../store/row-scope.js'
import type { OperationContext } from './context.js'
import type { Operation } from './operation.js'
import { runDurably } from './run-operation.js'

/** The answer where the request has been done, and its own answer cannot be shown. */
const REPEATED = { repeated: true } as const

/** The reply's data, and whether it is that of an earlier request with the key. */
export interface Outcome {
  readonly data: unknown
  readonly isRepeated: boolean
}

/**
 * Runs a request that has an `idempotencyKey`, unless it has been done: then it is answered as before, and
 * nothing is done. While one with the same key is under way, it waits. PROTOCOL.md, "Idempotency keys".
 * @throws as `runDurably`; `VALIDATION_ERROR` for the key of another request; `RATE_LIMITED` when no more
 * keys are remembered
 */
export async function runOnce (
  operation: Operation, request: RequestMessage, context: OperationContext
): Promise<Outcome> {
  const { server: { keyedRequests, idempotency }, grant } = context
  if (isPresence(operation, request, context)) {
    return { data: await runDurably(operation, request, context), isRepeated: false }
  }
  const key = request['idempotencyKey'] as string
  const keyed = { key, user: grant.user, digest: await digestOf(request, operation.secrets) }
  const endTurn = await keyedRequests.takeTurn(keyed)
  try {
    grant.assertStillAllowed()
    const known = keyedRequests.find(keyed)
    if (known !== undefined) {
      return { data: await repeatedAnswer(known, operation, request, context), isRepeated: true }
    }
    keyedRequests.assertRoom(keyed, idempotency)
    const { windowMs } = idempotency
    const data = await runAnew({ key, request: keyed.digest, windowMs }, operation, request, context)
    return { data, isRepeated: false }
  } finally {
    endTurn()
  }
}

/**
 * Whether a request writes to ephemeral buckets alone. It is done each time, so that a client which comes
 * back and repeats it has the records again.
 */
function isPresence (
  operation: Operation, request: RequestMessage, { server: { sharedStore: { store } } }: OperationContext
): boolean {
  const resources = operation.resources(request)
  const { tier, usesStore } = operation
  return tier === 'write' && usesStore && resources.length > 0 && resources.every(({ type, name }) =>
    type === 'bucket' && store.getBucketSchema(name)?.ephemeral === true)
}

/**
 * Runs a request whose key is new. Its answer is in its commit; where that is none, or not the only one, in a
 * commit of its own.
 */
async function runAnew (
  named: Omit<RequestToRemember, 'answer'>, operation: Operation, request: RequestMessage,
  context: OperationContext
): Promise<unknown> {
  const { server: { sharedStore: { store } }, grant } = context
  if (refusesWrites(store)) throw unavailable()
  const asked = new AskedRights()
  let isRemembered = false
  const remembering = (reply: (result: unknown) => unknown): RequestToRemember => ({
    ...named,
    answer (result) {
      isRemembered = true
      const rights = asked.textWith(grant.rights)
      return rights === undefined ? { text: undefined } : { text: answerText(reply(result)), rights }
    }
  })
  grant.idempotency = { ...remembering(operation.reply), asked }
  const data = await runDurably(operation, request, context)
  if (isRemembered) return data
  try {
    await store.rememberRequest({ ...causedBy(grant), idempotency: remembering(data => data) }, data)
  } catch {
    throw new NoexServerError(
      'INTERNAL_ERROR',
      'The request was executed, but its idempotencyKey cannot be remembered at the moment: a repetition ' +
        'would execute it again',
      { reason: 'store_unavailable', applied: true }
    )
  }
  return data
}

/** Returns the answer of a request that has been done, as far as the client may still see it. */
async function repeatedAnswer (
  { answer, rights, revision }: RememberedRequest, operation: Operation, request: RequestMessage,
  context: OperationContext
): Promise<unknown> {
  const { server: { sharedStore: { store } }, grant } = context
  await store.whenDurable(revision)
  grant.assertStillAllowed()
  if (answer === undefined || rights === undefined) return REPEATED
  const isShown = hasSameRights(rights, grant.rights, step => {
    const { authorizer, principal } = operation.rightsOfSteps(request, context)
    return authorizer.authorize(principal, step, { id: request.id, type: step.name }).rights
  })
  return isShown ? new EncodedJson(answer) : REPEATED
}

function unavailable (): NoexServerError {
  return new NoexServerError(
    'INTERNAL_ERROR', 'The store takes no writes at the moment', { reason: 'store_unavailable' }
  )
}
