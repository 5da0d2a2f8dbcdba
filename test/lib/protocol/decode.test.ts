import t from 'tap'
import { decode, type Decoded } from '../../../lib/protocol/decode.js'
import { checkJson, MAX_JSON_DEPTH, withoutDepths } from '../../../lib/protocol/decode.js'
import { withoutUnsafeIntegers } from '../../../lib/protocol/json-text.js'

/** The outcome of a frame: `[id, code]` of the error, `'request'` or `'pong'`. */
function outcome (text: string): readonly [number, string] | string {
  const decoded: Decoded = decode(text)
  return decoded.kind === 'malformed' ? [decoded.id, decoded.error.code] : decoded.kind
}

/** A request of `depth` levels, the message being the first, with `padding` characters in a text. */
function nested (depth: number, padding = 0): string {
  const levels = depth - 1
  return `{"id":7,"type":"x","pad":"${'p'.repeat(padding)}","v":${'['.repeat(levels)}${']'.repeat(levels)}}`
}

const SCANNED = 600

t.test('decode', async t => {
  const table: ReadonlyArray<
    readonly [title: string, text: string, expected: readonly [number, string] | string]
  > = [
    ['an empty frame', '', [0, 'PARSE_ERROR']],
    ['blanks', '  ', [0, 'PARSE_ERROR']],
    ['half an object', '{"id":1', [0, 'PARSE_ERROR']],
    ['a trailing comma', '{"id":1,"type":"x",}', [0, 'PARSE_ERROR']],
    ['two objects', '{"id":1,"type":"x"}{}', [0, 'PARSE_ERROR']],
    ['NaN', '{"id":NaN,"type":"x"}', [0, 'PARSE_ERROR']],
    ['a byte order mark', '\uFEFF{"id":1,"type":"x"}', [0, 'PARSE_ERROR']],
    ['an array', '[{"id":1,"type":"x"}]', [0, 'PARSE_ERROR']],
    ['null', 'null', [0, 'PARSE_ERROR']],
    ['a number', '5', [0, 'PARSE_ERROR']],
    ['a text', '"x"', [0, 'PARSE_ERROR']],
    ['a boolean', 'true', [0, 'PARSE_ERROR']],
    ['an empty object', '{}', [0, 'INVALID_REQUEST']],
    ['no type', '{"id":1}', [0, 'INVALID_REQUEST']],
    ['a null type', '{"id":1,"type":null}', [0, 'INVALID_REQUEST']],
    ['a numeric type', '{"id":1,"type":5}', [0, 'INVALID_REQUEST']],
    ['an object as type', '{"id":1,"type":{}}', [0, 'INVALID_REQUEST']],
    ['an empty type', '{"id":1,"type":""}', [0, 'INVALID_REQUEST']],
    ['a pong without timestamp', '{"id":1,"type":"pong"}', [0, 'INVALID_REQUEST']],
    ['a pong with a textual timestamp', '{"id":1,"type":"pong","timestamp":"1"}', [0, 'INVALID_REQUEST']],
    ['a pong with a null timestamp', '{"type":"pong","timestamp":null}', [0, 'INVALID_REQUEST']],
    ['a pong with an infinite timestamp', '{"type":"pong","timestamp":1e999}', [0, 'INVALID_REQUEST']],
    ['a request without id', '{"type":"x"}', [0, 'INVALID_REQUEST']],
    ['a null id', '{"id":null,"type":"x"}', [0, 'INVALID_REQUEST']],
    ['a textual id', '{"id":"1","type":"x"}', [0, 'INVALID_REQUEST']],
    ['a boolean id', '{"id":true,"type":"x"}', [0, 'INVALID_REQUEST']],
    ['an infinite id', '{"id":1e999,"type":"x"}', [0, 'INVALID_REQUEST']],
    ['a ping without id', '{"type":"ping","timestamp":1}', [0, 'INVALID_REQUEST']],
    ['a pong', '{"type":"pong","timestamp":1}', 'pong'],
    ['a pong with an unusable id', '{"id":"x","type":"pong","timestamp":-1.5}', 'pong'],
    ['a ping', '{"id":1,"type":"ping"}', 'ping'],
    ['a ping with large decimals', '{"id":1,"type":"ping","n":9007199254740993.0}', 'ping'],
    ['a ping with an unsafe integer', '{"id":1,"type":"ping","n":9007199254740993}', [1, 'VALIDATION_ERROR']],
    ['an id of zero', '{"id":0,"type":"x"}', 'request'],
    ['a negative id', '{"id":-3,"type":"x"}', 'request'],
    ['a fractional id', '{"id":1.5,"type":"x"}', 'request'],
    ['the largest id', '{"id":9007199254740991,"type":"x"}', 'request'],
    ['the least id', '{"id":-9007199254740991,"type":"x"}', 'request'],
    ['an id with an exponent', '{"id":7e0,"type":"x"}', 'request'],
    ['an unsafe id', '{"id":9007199254740993,"type":"x"}', [0, 'INVALID_REQUEST']],
    ['an unsafe id with a fraction', '{"id":9007199254740993.0,"type":"x"}', [0, 'INVALID_REQUEST']],
    ['an unsafe id with an exponent', '{"id":9007199254740993e0,"type":"x"}', [0, 'INVALID_REQUEST']],
    ['an unsafe id below 0', '{"id":-90071992547409.93E2,"type":"x"}', [0, 'INVALID_REQUEST']],
    ['an id beyond all safe ones', '{"id":1e300,"type":"x"}', [0, 'INVALID_REQUEST']],
    ['unknown members', '{"id":1,"type":"x","y":[null,{"z":1}]}', 'request'],
    ['the last of two equal members', '{"id":"x","type":"","id":1,"type":"x"}', 'request']
  ]
  for (const [title, text, expected] of table) {
    t.same(outcome(text), expected, title)
  }

  t.test('decides the rows in order', async t => {
    t.same(
      outcome('{"type":"pong","id":"x"}'),
      [0, 'INVALID_REQUEST'],
      'the timestamp of a pong before its id'
    )
    t.match(decode('{"type":"pong","id":"x"}'), { error: { message: /^timestamp/ } })
    t.match(decode('{"type":"","id":"x"}'), { error: { message: /^type/ } })
    t.match(decode('{"type":"x","id":"x","v":1e999}'), { error: { message: /^id/ } })
  })

  t.test('returns the request as it was sent', async t => {
    t.same(decode('{"id":1,"type":"x","a":{"b":[1,null,"c"]}}'), {
      kind: 'request',
      request: { id: 1, type: 'x', a: { b: [1, null, 'c'] } }
    })
  })
})

t.test('Nesting', async t => {
  const tooDeep = [7, 'VALIDATION_ERROR'] as const
  for (const padding of [0, SCANNED]) {
    const where = padding === 0 ? 'below the length that is scanned' : 'above the length that is scanned'
    t.equal(outcome(nested(MAX_JSON_DEPTH, padding)), 'request', `32 levels are accepted ${where}`)
    t.same(
      outcome(nested(MAX_JSON_DEPTH + 1, padding)),
      tooDeep,
      `33 levels are refused under their id ${where}`
    )
  }
  t.same(outcome(nested(10_000)), tooDeep, '10,000 levels are refused')
  t.same(outcome(`{"id":7,"type":"x","v":${'{"a":'.repeat(32)}1${'}'.repeat(32)}}`), tooDeep, 'objects count')
  t.same(outcome('['.repeat(500_000)), [0, 'PARSE_ERROR'], 'half a million open brackets are refused')
  t.equal(outcome(`{"id":1,"type":"x","v":[${'[],'.repeat(1000)}{}]}`), 'request', 'siblings do not add up')

  t.test('The refusal has the id of the request wherever that stands', async t => {
    const deep = `${'['.repeat(40)}"${'p'.repeat(SCANNED)}"${']'.repeat(40)}`
    t.same(outcome(`{"v":${deep},"type":"x","id":7}`), tooDeep, 'behind what is too deep')
    t.same(
      outcome(`{"v":${deep},"w":${deep},"id":1,"type":"x","id":7}`),
      tooDeep,
      'the last of two ids counts'
    )
    t.same(
      outcome(
        `{"id":7,"type":"x","v":${'['.repeat(40)}{"id":1}${']'.repeat(40)},"p":"${'p'.repeat(SCANNED)}"}`
      ),
      tooDeep
    )
    t.match(
      decode(`{"id":7,"type":"x","data":{"a":[${deep}]}}`),
      { error: { message: /^data\.a\[0\](\[0\])+: is nested deeper than 32 levels$/ } }
    )
  })

  t.test('A frame that is too deep and no request is refused as no request', async t => {
    const deep = `${'['.repeat(40)}"${'p'.repeat(SCANNED)}"${']'.repeat(40)}`
    const table: ReadonlyArray<readonly [text: string, expected: readonly [number, string] | string]> = [
      [deep, [0, 'PARSE_ERROR']],
      [`{"id":"7","type":"x","v":${deep}}`, [0, 'INVALID_REQUEST']],
      [`{"id":{"a":${deep}},"type":"x"}`, [0, 'INVALID_REQUEST']],
      [`{"type":"x","v":${deep}}`, [0, 'INVALID_REQUEST']],
      [`{"id":7,"v":${deep}}`, [0, 'INVALID_REQUEST']],
      [`{"type":"pong","timestamp":1,"v":${deep}}`, 'pong'],
      [`{"id":7,"type":"x","v":${deep}`, [0, 'PARSE_ERROR']],
      [`{"id":7,"type":"x","v":${deep}]}`, [0, 'PARSE_ERROR']],
      [`{"id":7,"type":"x","v":${'['.repeat(33)}${'{'.repeat(600)}`, [0, 'PARSE_ERROR']]
    ]
    for (const [text, expected] of table) t.same(outcome(text), expected, text.slice(0, 40))
  })

  t.test('Brackets inside texts do not count', async t => {
    const brackets = '[{'.repeat(SCANNED)
    for (const text of [brackets, `\\"${brackets}`, `\\\\\\"${brackets}`, `${brackets}\\\\`]) {
      t.equal(outcome(`{"id":1,"type":"x","${text}":"${text}"}`), 'request')
    }
    t.same(outcome(
      `{"id":7,"type":"x","pad":"${'p'.repeat(SCANNED)}\\\\","v":${'['.repeat(32)}${']'.repeat(32)}}`
    ), tooDeep,
    'an escaped backslash does not hide the quote that ends the text')
  })

  t.test('The scan copes with text that is no JSON', async t => {
    const filler = ' '.repeat(SCANNED)
    for (const text of ['"', '"\\', '}}}}', '{"a":"']) {
      t.equal(
        withoutDepths(text + filler, MAX_JSON_DEPTH),
        text + filler
      )
    }
    t.equal(withoutDepths(`[[1],[[2]],[[[3],4]],"${filler}[[[["]`, 2), `[[1],[[]],[[]],"${filler}[[[["]`)
  })
})

t.test('Integers that a number does not hold are refused', async t => {
  const unsafe = '9007199254740992'
  const refused: ReadonlyArray<readonly [title: string, member: string, message: RegExp]> = [
    ['a key', `"key":${unsafe}`, /^key: must be an integer within ±9007199254740991/],
    ['a negative one', '"key":-9007199254740993', /^key: /],
    ['a long one', `"key":${'9'.repeat(400)}`, /^key: /],
    ['in data', `"data":{"a":{"n":${unsafe}}}`, /^data\.a\.n: /],
    ['in a list', `"data":[1,[2,${unsafe}]]`, /^data\[1\]\[1\]: /],
    ['in a filter', `"filter":{"$or":[{"n":{"$gt":${unsafe}}}]}`, /^filter\.\$or\[0\]\.n\.\$gt: /],
    ['beside a number that is what it seems to be', `"data":{"x":1e308,"n":${unsafe}}`, /^data\.n: /],
    ['behind a text that looks like one', `"data":{"s":"\\"${unsafe}","n":${unsafe}}`, /^data\.n: /],
    ['the last of two', `"n":1,"n":${unsafe}`, /^n: /],
    ['1e400', '"n":1e400', /^n: /],
    ['-1e400', '"n":[-1e400]', /^n\[0\]: /],
    ['under a long name', `"${'n'.repeat(100)}":${unsafe}`, /^n{64}…: /]
  ]
  for (const [title, member, message] of refused) {
    t.match(
      decode(`{"id":42,"type":"x",${member}}`),
      { kind: 'malformed', id: 42, error: { code: 'VALIDATION_ERROR', message } },
      title
    )
  }
  for (const id of [unsafe, '9007199254740993', '-9007199254740992', '123456789012345678901234567890']) {
    t.match(
      decode(`{"type":"x","id":${id}}`),
      { kind: 'malformed', id: 0, error: { code: 'INVALID_REQUEST', message: /^id: / } },
      `as an id, ${id}`
    )
    t.match(
      decode(`{"id":${id},"type":"x","data":{"__proto__":1}}`),
      { id: 0, error: { message: /^id: / } },
      'before anything else is looked at'
    )
  }
  const accepted = [
    '"n":9007199254740991', '"n":-9007199254740991', '"n":1e308', '"n":1e21', '"n":-1.7976931348623157e308',
    '"n":9007199254740993.5', '"n":0.12345678901234567890123', `"s":"${unsafe}"`, `"${unsafe}":1`,
    `"n":${unsafe},"n":1`, `"s":"\\\\","n":1e300,"t":"${unsafe}"`
  ]
  for (const member of accepted) {
    t.equal(
      outcome(`{"id":42,"type":"x",${member}}`),
      'request',
    `${member} is accepted`
    )
  }
  t.match(
    decode('{"id":42,"type":"x","n":1e308,"m":[0.1]}'),
    { request: { id: 42, n: 1e308, m: [0.1] } },
    'as it was sent'
  )
  t.equal(
    withoutUnsafeIntegers('[9007199254740991,-9007199254740992 ,1E5,"9007199254740992"]'),
    '[9007199254740991,1e999 ,1E5,"9007199254740992"]'
  )
})

t.test('Content that must not come into the store is refused with the id of the request', async t => {
  const table: ReadonlyArray<readonly [title: string, member: string, message: RegExp]> = [
    ['__proto__ at the top', '"__proto__":{}', /__proto__/],
    ['__proto__ with a plain value', '"__proto__":1', /__proto__/],
    ['an escaped __proto__', '"\\u005f_proto__":{}', /__proto__/],
    ['__proto__ further down', '"data":{"a":[{"__proto__":{"admin":true}}]}', /^data\.a\[0\]\.__proto__: /],
    ['constructor.prototype', '"data":{"constructor":{"prototype":{}}}', /constructor\.prototype/],
    ['1e400', '"data":{"n":1e400}', /^data\.n: must be an integer .* or another number/],
    ['-1e400 in an array', '"data":[-1e400]', /^data\[0\]: /],
    ['a lone high surrogate as a value', '"data":{"s":"\\ud800"}', /Unicode/],
    ['a lone low surrogate in an array', '"data":["a\\udc00b"]', /Unicode/],
    ['a lone surrogate as a member name', '"data":{"\\ud800":1}', /Unicode/],
    ['surrogates in the wrong order', '"data":"\\udc00\\ud800"', /Unicode/]
  ]
  for (const [title, member, message] of table) {
    t.match(
      decode(`{"id":42,"type":"x",${member}}`),
      { kind: 'malformed', id: 42, error: { code: 'VALIDATION_ERROR', message } },
      title
    )
  }
  t.match(
    decode('{"id":42,"type":"\\ud800"}'),
    { id: 42, error: { code: 'VALIDATION_ERROR', message: /Unicode/ } },
    'a lone surrogate as type'
  )

  const harmless = [
    '"constructor":1', '"constructor":{"a":1}', '"constructor":null', '"constructor":["prototype"]',
    '"prototype":{}', '"data":"__proto__"', '"data":{"s":"\\ud83d\\ude00"}', '"data":1e308', '"data":-0',
    '"data":1e-400'
  ]
  for (const member of harmless) {
    t.equal(outcome(`{"id":42,"type":"x",${member}}`), 'request', `${member} is accepted`)
  }
  t.equal(Object.hasOwn(Object.prototype, 'admin'), false, 'no prototype was changed')
})

t.test('A property that would keep others from comparing the record is refused', async t => {
  t.match(decode('{"id":42,"type":"x","data":{"a":{"toString":1}}}'), {
    id: 42,
    error: { code: 'VALIDATION_ERROR', message: /toString/ }
  })
})

t.test('checkJson finds nothing wrong with ordinary values', async t => {
  t.equal(checkJson({}), undefined)
  t.equal(checkJson([]), undefined)
  t.equal(checkJson([null, true, 'x', 1, { a: [{}] }]), undefined)
})
