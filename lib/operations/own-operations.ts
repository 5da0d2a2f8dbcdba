import { LimitedRuns, type RunLimits } from '../application/limited-runs.js'
import { plainAnswer, plainAnswerInSlices } from '../application/plain-answer.js'
import { readableError, readError } from '../application/thrown.js'
import { checkKey } from '../idempotency/keyed-requests.js'
import { ErrorCode, NoexServerError, NothingNamedError } from '../protocol/errors.js'
import { checkRevision } from '../protocol/fields.js'
import { charsLeft } from '../protocol/json-chars.js'
import { firstProblem } from '../protocol/shape.js'
import type { OwnOperation } from './context.js'
import { HandledRequest } from './handled-request.js'
import { rightsOfRequest } from './operation.js'
import type { CheckedOperation } from './operation-options.js'
import { OwnRequests } from './own-requests.js'

/**
 * Characters of JSON of the result of an operation of the application, about.
 * @limit `INTERNAL_ERROR`
 */
const MAX_RESULT_CHARS = 16_777_216

/**
 * Characters of JSON of the details of a refusal by an operation of the application, about.
 * @limit `INTERNAL_ERROR`
 */
const MAX_DETAILS_CHARS = 65_536

/** Makes the operations of the table out of those of the option `operations`. */
export function ownOperations (definitions: readonly CheckedOperation[], limits: RunLimits): OwnOperation[] {
  const runs = new LimitedRuns(limits)
  return definitions.map(definition => ownOperation(definition, runs, limits))
}

function ownOperation (definition: CheckedOperation, runs: LimitedRuns, limits: RunLimits): OwnOperation {
  const { name, tier, input, output, secrets } = definition
  const requests = new OwnRequests(definition, limits)
  const run: OwnOperation['runWithin'] = async (context, request, outer) => {
    const handled = new HandledRequest(name, requests.inputOf(request), context, outer)
    try {
      const result = await runs.run(`Operation "${name}"`, context.client.id, async () =>
        await handle(definition, handled))
      const plain = await plainAnswerInSlices(`operation "${name}"`, result)
      checkResult(definition, plain)
      handled.assertMayShow()
      return plain
    } finally {
      handled.end()
    }
  }
  return {
    name,
    tier,
    accessLevel: 'permission',
    request: input,
    output,
    usesStore: false,
    // Its result may show what it has read.
    isChange: false,
    hasComputedResources: requests.hasComputedResources,
    resources: request => requests.resources(request),
    resourceOf: request => requests.resourceOf(request),
    detailsOf: request => requests.detailsOf(request),
    chargesOf: undefined,
    guard: undefined,
    takesKey: tier !== 'read',
    secrets,
    validate (request) {
      if (request['idempotencyKey'] !== undefined) checkKey(request, name, tier !== 'read')
      if (request['revision'] !== undefined) checkRevision(request, name, tier !== 'read')
      requests.validate(request)
    },
    run,
    runWithin: run,
    reply: result => result,
    rightsOfSteps: rightsOfRequest
  }
}

async function handle ({ name, handler }: CheckedOperation, { context }: HandledRequest): Promise<unknown> {
  try {
    return await handler(context)
  } catch (error) {
    throw isRefusal(error) ? sendable(error, name) : readableError(error)
  }
}

/** Whether an error is meant for the client: also one of another copy of this package. */
function isRefusal (error: unknown): error is NoexServerError {
  return readError(error)?.name === 'NoexServerError'
}

/** Returns a refusal with a code that exists and details that can be sent; an error to log for any other. */
function sendable (refusal: NoexServerError, operation: string): Error {
  if (refusal instanceof NothingNamedError) return refusal
  try {
    const { code, message, details } = refusal
    if (!Object.hasOwn(ErrorCode, code)) throw new TypeError(`${String(code)} is none of the error codes`)
    if (charsLeft(details, MAX_DETAILS_CHARS) < 0) throw new RangeError('its details are too long')
    // Read once, here: a getter of it could throw later.
    const text = JSON.stringify(plainAnswer('the handler', details)) as string | undefined
    return new NoexServerError(code, message, text === undefined ? undefined : JSON.parse(text))
  } catch (cause) {
    return new Error(`operation "${operation}" has refused in a way that cannot be sent`, {
      cause: readableError(cause)
    })
  }
}

/** @throws for a result that is too long, or not as the operation describes it */
function checkResult ({ name, checkOutput }: CheckedOperation, result: unknown): void {
  if (charsLeft(result, MAX_RESULT_CHARS) < 0) {
    throw new Error(`operation "${name}" has returned more than ${MAX_RESULT_CHARS} characters of JSON`)
  }
  if (checkOutput === undefined || checkOutput.Check(result)) return
  // A date, for instance, is a text in JSON.
  const sent: unknown = JSON.parse(JSON.stringify(result) ?? 'null')
  if (checkOutput.Check(sent)) return
  const { message } = firstProblem(checkOutput, sent, 'result')
  throw new Error(`operation "${name}" has returned what its output does not describe: ${message}`)
}
