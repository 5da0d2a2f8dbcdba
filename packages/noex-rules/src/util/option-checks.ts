/** Throws `TypeError` unless a value is an object with these methods. `subject` begins its message. */
export function checkMethods (value: unknown, subject: string, methods: readonly string[]): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TypeError(`${subject} must be an object`)
  }
  for (const method of methods) {
    if (typeof (value as Record<string, unknown>)[method] !== 'function') {
      throw new TypeError(`${subject} must have a method ${method}`)
    }
  }
}

export function isText (value: unknown, subject: string): void {
  if (typeof value !== 'string' || value.trim() === '') {
    throw new TypeError(`${subject} must be a text that is not blank`)
  }
}

export function isFunction (value: unknown, subject: string): void {
  if (typeof value !== 'function') throw new TypeError(`${subject} must be a function`)
}

export function isInteger (min: number, max: number): (value: unknown, subject: string) => void {
  return (value, subject) => {
    if (!Number.isInteger(value) || (value as number) < min || (value as number) > max) {
      throw new TypeError(`${subject} must be an integer from ${min} to ${max}`)
    }
  }
}

export function isOneOf (...texts: string[]): (value: unknown, subject: string) => void {
  return (value, subject) => {
    if (!texts.includes(value as string)) {
      throw new TypeError(`${subject} must be one of: ${texts.join(', ')}`)
    }
  }
}

export function checkServices (value: unknown, subject: string): void {
  checkMethods(value, subject, [])
  for (const [name, service] of Object.entries(value as object)) {
    if (service === null || (typeof service !== 'object' && typeof service !== 'function')) {
      throw new TypeError(`${subject} must have objects as members, but ${name} is none`)
    }
  }
}

export function checkPersistence (value: unknown, subject: string): void {
  checkMethods(value, subject, [])
  const { adapter, key, schemaVersion } = value as Record<string, unknown>
  checkMethods(adapter, `${subject}.adapter`, ['save', 'load'])
  if (key !== undefined) isText(key, `${subject}.key`)
  if (schemaVersion !== undefined) {
    isInteger(0, Number.MAX_SAFE_INTEGER)(schemaVersion, `${subject}.schemaVersion`)
  }
}

export function checkLogger (value: unknown, subject: string): void {
  checkMethods(value, subject, ['debug', 'info', 'warn', 'error'])
}

export function checkClock (value: unknown, subject: string): void {
  checkMethods(value, subject, ['now', 'after'])
  const { ticks } = value as Record<string, unknown>
  if (ticks !== undefined) isFunction(ticks, `${subject}.ticks`)
}
