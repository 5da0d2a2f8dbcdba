import t from 'tap'
import {
  isGroup, NoexOptionsError, option, optional, options, required, type Resolved
} from '../../../lib/util/option-schema.js'
import {
  boolean, callback, either, integer, MAX_INTEGER, nonEmptyText, orFalse, synchronousCallback, textArray
} from '../../../lib/util/option-types.js'

interface Door {
  name: string
  width?: number | undefined
  guests?: readonly string[] | undefined
  lock?: Lock | undefined
  bell?: Bell | undefined
  onOpen?: (() => void) | undefined
}
interface Lock { turns?: number | undefined, automatic?: boolean | undefined }
interface Bell { tone: string }

const door = options<Door>()({
  name: required(nonEmptyText, ': every door has one'),
  width: option(integer(1, 200), 80),
  guests: option(textArray, []),
  lock: options<Lock>()({ turns: option(integer(0, 9), 2), automatic: option(boolean, false) }),
  bell: optional(options<Bell>()({ tone: required(nonEmptyText) })),
  onOpen: option(callback, undefined)
})

function refusal (given: unknown, path = ''): string | undefined {
  try {
    door.resolve(given, path)
    return undefined
  } catch (error) {
    if (error instanceof NoexOptionsError) return `${error.path}: ${error.message}`
    throw error
  }
}

t.test('a group resolves to its values, with the defaults of those that are not given', async t => {
  const resolved: Resolved<typeof door> = door.resolve({ name: 'front' }, '')
  t.strictSame(resolved, {
    name: 'front',
    width: 80,
    guests: [],
    lock: { turns: 2, automatic: false },
    bell: undefined,
    onOpen: undefined
  })
  // Their types need no narrowing where there is a default.
  const { turns }: { readonly turns: number } = resolved.lock
  const width: number = resolved.width
  const tone: string | undefined = resolved.bell?.tone
  t.same([turns, width, tone], [2, 80, undefined])
  t.match(door.resolve({ name: 'front', lock: { turns: 0 }, bell: { tone: 'a' } }, ''), {
    lock: { turns: 0, automatic: false }, bell: { tone: 'a' }
  })
})

t.test('undefined counts as absent, and a given object is neither changed nor kept', async t => {
  t.match(door.resolve({ name: 'front', width: undefined, lock: undefined, windows: undefined }, ''), {
    width: 80, lock: { turns: 2 }
  })
  const given = Object.freeze({ name: 'front', guests: ['ann'] })
  const { guests } = door.resolve(given, '')
  t.same(guests, ['ann'])
  t.not(guests, given.guests)
  t.not(door.resolve({ name: 'a' }, '').lock, door.resolve({ name: 'b' }, '').lock)
})

t.test('a refusal has the path of the option, and says what would be right', async t => {
  t.equal(refusal({}), 'name: option name is required: every door has one')
  t.equal(refusal({ name: 'a', width: 0 }), 'width: option width must be an integer from 1 to 200')
  t.equal(refusal({ name: 'a', lock: true }), 'lock: option lock must be an object')
  t.equal(refusal({ name: 'a', lock: null }), 'lock: option lock must be an object')
  t.equal(
    refusal({ name: 'a', lock: { turns: 10 } }, 'house.door'),
    'house.door.lock.turns: option house.door.lock.turns must be an integer from 0 to 9'
  )
  t.equal(refusal({ name: 'a', bell: {} }), 'bell.tone: option bell.tone is required')
  t.equal(refusal([], 'door'), 'door: option door must be an object')
})

t.test('an unknown option is refused with the name that is near', async t => {
  t.equal(refusal({ name: 'a', widht: 1 }), 'widht: option widht is unknown; did you mean "width"?')
  t.equal(refusal({ name: 'a', lock: { rust: 1 } }), 'lock.rust: option lock.rust is unknown')
  for (const name of ['constructor', 'toString', '__proto__']) {
    t.equal(refusal(JSON.parse(`{ "name": "a", "${name}": {} }`)), `${name}: option ${name} is unknown`)
  }
})

t.test('options are looked at in the order in which they are given', async t => {
  t.equal(refusal({ width: 0, lock: 1 })?.split(':')[0], 'width')
  t.equal(refusal({ lock: 1, width: 0 })?.split(':')[0], 'lock')
})

t.test('finish checks values together and may return others', async t => {
  const range = options<{ from: number, to: number }>()({
    from: required(integer(0, 9)), to: required(integer(0, 9))
  }, ({ from, to }, path) => {
    if (to < from) throw new NoexOptionsError(`${path}.to`, 'is below from')
    return { size: to - from }
  })
  t.same(range.resolve({ from: 1, to: 4 }, 'range'), { size: 3 })
  t.throws(() => range.resolve({ from: 4, to: 1 }, 'range'), { message: 'option range.to is below from' })
})

t.test('a group tells its defaults and the values that its options may have', async t => {
  t.same(door.defaults, {
    width: 80, guests: [], lock: { turns: 2, automatic: false }, bell: undefined, onOpen: undefined
  })
  t.equal(door.members.width.type.text, 'integer, 1 to 200')
  t.equal(door.members.name.isRequired, true)
  t.ok(isGroup(door.members.lock))
  t.notOk(isGroup(door.members.width))
})

t.test('the types of values name their values in texts and errors', async t => {
  t.equal(integer(1, MAX_INTEGER).text, 'integer, at least 1')
  t.equal(orFalse(integer(0, MAX_INTEGER)).text, 'integer, at least 0, or `false`')
  orFalse(nonEmptyText).check(false, 'x')
  t.throws(() => { orFalse(nonEmptyText).check('', 'x') }, { message: 'option x must be a non-empty text' })
  t.throws(() => { either('a', 'b').check('c', 'x') }, { message: 'option x must be "a" or "b"' })
  t.throws(() => { callback.check(function * () {}, 'x') }, { message: /must not be a generator function/ })
  t.throws(() => { synchronousCallback.check(async () => {}, 'x') }, { message: /must not be an async/ })
  t.throws(() => { synchronousCallback.check('x', 'x') }, { message: 'option x must be a function' })
})
