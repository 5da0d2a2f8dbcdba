import t from 'tap'
import fc from 'fast-check'
import { checkName, nameKey } from '../../../lib/identity/names.js'

t.test('a new name is trimmed and composed', async t => {
  const table: ReadonlyArray<readonly [given: string, kept: string]> = [
    ['alice', 'alice'],
    ['Alice', 'Alice'],
    [' alice\t', 'alice'],
    ['\u00a0alice\u2003', 'alice'],
    ['jos\u0065\u0301', 'jos\u00e9'],
    ['Anna  Maria', 'Anna  Maria'],
    ['\u{1f600}\u{1f600}\u{1f600}', '\u{1f600}\u{1f600}\u{1f600}'],
    ['x'.repeat(64), 'x'.repeat(64)],
    [` ${'x'.repeat(64)} `, 'x'.repeat(64)]
  ]
  for (const [given, kept] of table) t.equal(checkName(given, 'username', 3, 64), kept, JSON.stringify(given))
})

t.test('a name of another length, or with what cannot be seen, is refused by its field', async t => {
  for (const name of ['', '  ', 'ab', ' ab ', 'x'.repeat(65)]) {
    t.throws(
      () => checkName(name, 'username', 3, 64),
      { code: 'VALIDATION_ERROR', message: 'username: must have 3 to 64 characters' },
      name
    )
  }
  const invisible = [
    '\u0000', '\u0007', '\u007f', '\u0085', '\u00ad', '\u034f', '\u061c', '\u180e', '\u200b', '\u200c',
    '\u200d', '\u200e', '\u202e', '\u2028', '\u2029', '\u2060', '\u2066', '\u3164', '\u115f', '\u1160',
    '\uffa0', '\u17b4', '\u180b', '\u{e0100}', '\u{1d173}', '\u2800', '\u{1d159}', '\u{16fe4}', '\ue000',
    '\uf8ff', '\u{f0000}', '\u{10fffd}', '\ufdd0', '\ufdef', '\ufffc', '\ufffd', '\ufffe', '\uffff',
    '\u{1ffff}', '\ufe0f', '\u{e0041}', '\ud800'
  ]
  for (const character of invisible) {
    t.throws(
      () => checkName(`al${character}ice`, 'name', 1, 64),
      {
        code: 'VALIDATION_ERROR',
        message: /^name: must not have characters that cannot be seen, nor private-use/
      },
      `U+${character.codePointAt(0)?.toString(16)}`
    )
  }
})

t.test('names that look alike have one key', async t => {
  const alike: readonly string[][] = [
    [
      'alice', 'Alice', 'ALICE', 'alice ', ' alice', 'al\u200bice', 'al\u2800ice', 'ali\u00adce',
      '\uff41lice', '\ufeffalice'
    ],
    ['jos\u00e9', 'jose\u0301', 'JOS\u00c9', 'JOSE\u0301'],
    ['stra\u00dfe', 'STRASSE', 'Strasse', 'STRA\u1e9eE'],
    ['\u03c3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2', '\u03a3\u038a\u03a3\u03a5\u03a6\u039f\u03a3'],
    ['anna maria', 'Anna\u00a0Maria', 'anna  maria'],
    ['\ufb01sh', 'fish'],
    ['\u212aelvin', 'kelvin'],
    ['__superadmin__', '\uff3f\uff3fsuperadmin__']
  ]
  for (const group of alike) t.same(new Set(group.map(nameKey)).size, 1, JSON.stringify(group))
  t.equal(new Set(alike.map(([first = '']) => nameKey(first))).size, alike.length)
  for (const [one, other] of [
    ['alice', 'alicia'],
    ['jose', 'jos\u00e9'],
    ['a b', 'ab'],
    ['a1', 'a2']
  ] as const) { t.not(nameKey(one), nameKey(other), `${one}, ${other}`) }
})

t.test('a key is that of itself, of the name in capitals and of the composed name, and bounded', async t => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 80 }), name => {
      const key = nameKey(name)
      return nameKey(name.normalize('NFC')) === nameKey(name.normalize('NFD')) && key.length <= 20 * 256
    })
  )
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom(...'abzABZéÉßſıIİσςΣ ﬁ'), maxLength: 20 }),
      name => nameKey(nameKey(name)) === nameKey(name)
    )
  )
  t.ok(nameKey('\ufdfa'.repeat(100_000)).length <= 20 * 256)
})
