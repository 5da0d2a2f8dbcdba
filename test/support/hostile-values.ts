/** The error of every getter and function that throws. */
export const MINE = 'an error of the application'

const fail = (): never => { throw new Error(MINE) }

function cyclic (): object {
  const value: Record<string, unknown> = { bucket: 'items' }
  value['self'] = value
  return value
}

function deep (): object {
  let value: object = {}
  for (let level = 0; level < 20_000; level++) value = { value }
  return value
}

/** Values that no parameter of a public function expects, by what they are. */
export const hostileValues: Readonly<Record<string, unknown>> = {
  undefined,
  null: null,
  true: true,
  false: false,
  zero: 0,
  negative: -1,
  fraction: 0.5,
  NaN,
  Infinity,
  '-Infinity': -Infinity,
  'unsafe number': 2 ** 60,
  BigInt: 5n,
  symbol: Symbol('hostile'),
  'empty text': '',
  text: 'x',
  'text of no Unicode': '\ud800',
  'huge text': 'x'.repeat(2_000_000),
  array: [],
  'array of holes': new Array(3),
  object: {},
  'object without a prototype': Object.create(null),
  'object of a strange member': JSON.parse('{"__proto__":{"bucket":"items"}}'),
  'cyclic object': cyclic(),
  'cyclic array': (() => {
    const list: unknown[] = []
    list.push(list)
    return list
  })(),
  'deep object': deep(),
  'object with a BigInt': { value: 5n },
  'getter that throws': Object.defineProperty({}, 'bucket', { enumerable: true, get: fail }),
  'toJSON that throws': { toJSON: fail },
  'toString that throws': { toString: fail, valueOf: fail },
  'proxy that throws': new Proxy({}, { get: fail, ownKeys: fail }),
  'function that throws': fail,
  'async function that throws': async () => fail(),
  class: class {},
  date: new Date(NaN),
  map: new Map([[1, 2]]),
  promise: Promise.resolve(5)
}
