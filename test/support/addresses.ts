import type { Test } from 'tap'
import fc from 'fast-check'
import { NoexOptionsError } from '../../lib/util/option-schema.js'
import { sampled } from './sampled.js'

export const RUNS = { numRuns: sampled(2_000) }

export function refuses (t: Test, act: () => unknown, path: string, problem: string, message: string): void {
  try {
    act()
  } catch (error) {
    t.ok(error instanceof NoexOptionsError, message)
    t.match(
      error,
      { path, message: new RegExp(`^option ${path.replace(/[[\]]/g, '\\$&')} .*${problem}`) },
      message
    )
    return
  }
  t.fail(`${message} is accepted`)
}

/** The eight groups of an IPv6 address, with many zeros, and with the networks that hide IPv4 addresses. */
export const groups = fc.oneof(
  fc.array(fc.oneof(fc.constant(0), fc.nat(0xffff)), { minLength: 8, maxLength: 8 }),
  fc.tuple(fc.nat(0xffff), fc.nat(0xffff)).map(low => [0, 0, 0, 0, 0, 0xffff, ...low])
)

/** Spells an address in one of many ways: case, leading zeros, no compression, a dotted end. */
export function spell (groups: readonly number[], upper: boolean, padded: boolean, dotted: boolean): string {
  const head = groups
    .slice(0, dotted ? 6 : 8)
    .map(group => group.toString(16).padStart(padded ? 4 : 1, '0'))
    .join(':')
  const [high = 0, low = 0] = groups.slice(6)
  const text = dotted ? `${head}:${[high >> 8, high & 0xff, low >> 8, low & 0xff].join('.')}` : head
  return upper ? text.toUpperCase() : text
}

export function dotted (value: number): string {
  return [value >>> 24, value >>> 16 & 0xff, value >>> 8 & 0xff, value & 0xff].join('.')
}
