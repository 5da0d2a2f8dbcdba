import { invalid } from '../protocol/errors.js'
import {
  accessClasses, resourceTypes, type AccessClass, type Resource, type ResourceType
} from './records.js'

const MAX_NAME_CHARS = 256

/** A user or a role, as a client names it: the holder of an entry of an access list. */
export interface Subject {
  readonly subjectType: string
  readonly subjectId: string
}

/** A resource as a client names it. */
export interface NamedResource {
  readonly resourceType: string
  readonly resourceName: string
}

/** Returns the resource that a client names. @throws `VALIDATION_ERROR` */
export function checkResource ({ resourceType, resourceName }: NamedResource): Resource {
  if (!isResourceType(resourceType)) {
    throw invalid('resourceType', `must be one of ${resourceTypes.join(', ')}`)
  }
  if (resourceName.length > MAX_NAME_CHARS) {
    throw invalid('resourceName', `must not be longer than ${MAX_NAME_CHARS} characters`)
  }
  return { resourceType, resourceName }
}

function isResourceType (text: string): text is ResourceType {
  return (resourceTypes as readonly string[]).includes(text)
}

/** Returns the access classes in a list that a client sends, each once. @throws `VALIDATION_ERROR` */
export function checkClasses (operations: unknown): AccessClass[] {
  if (!Array.isArray(operations) || !operations.every(isAccessClass)) {
    throw invalid('operations', 'must be an array of read, write, admin')
  }
  return [...new Set(operations)]
}

function isAccessClass (value: unknown): value is AccessClass {
  return (accessClasses as readonly unknown[]).includes(value)
}
