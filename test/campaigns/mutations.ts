import { closeFrame, encodeFrame, fragments, opcodes, textFrame } from '../support/web-socket-frame.js'

/** Chance with a seed, so that a run can be repeated. */
export class Random {
  #state: number

  constructor (seed: number) {
    this.#state = seed >>> 0
  }

  /** At least 0, less than 1. */
  next (): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let x = this.#state
    x = Math.imul(x ^ x >>> 15, x | 1)
    x ^= x + Math.imul(x ^ x >>> 7, x | 61)
    return ((x ^ x >>> 14) >>> 0) / 2 ** 32
  }

  /** An integer from 0, less than `limit`. */
  below (limit: number): number {
    return Math.floor(this.next() * limit)
  }

  pick<Item> (items: readonly Item[]): Item {
    return items[this.below(items.length)] as Item
  }

  bytes (count: number): Buffer {
    return Buffer.from(Array.from({ length: count }, () => this.below(256)))
  }
}

/** Values of the wrong kind, as JSON; some of it is invalid. */
const oddValues = [
  'null', 'true', '0', '-1', '-0', '1.5', '1e400', '1e308', '9007199254740993', 'NaN', '""', '"constructor"',
  '"__proto__"', '"toString"', '"*"', '"items"', '"_users"', '"\\ud800"', '"\\u0000"', '"😀"',
  '[]', '{}', '[null]', '[[[[]]]]', '{"__proto__":{"x":1}}', '{"constructor":{"prototype":{}}}',
  '{"toString":1}', '{"$or":[]}', '{"$in":[1]}', '{"$gt":{}}', '{"a":1,"a":2}',
  '['.repeat(40) + ']'.repeat(40), '{"a":'.repeat(33) + '1' + '}'.repeat(33), '['.repeat(2_000),
  `"${'x'.repeat(3_000)}"`, `[${'0,'.repeat(500)}0]`, '"{{ input.a }}"', '"store.clear"', '"rules.*"'
] as const

const oddNames = [
  '__proto__', 'constructor', 'toString', 'id', 'type', 'bucket', 'key', 'data', '', 'then', '$or', 'a.b'
] as const

/**
 * Exchanges, takes away, doubles or adds one thing in a value; what is put in is JSON text and comes back in
 * `texts`.
 */
function changeValue (random: Random, value: unknown, texts: string[]): unknown {
  const isLeaf = typeof value !== 'object' || value === null
  if (isLeaf || random.next() < 0.15) return `@@${texts.push(random.pick(oddValues)) - 1}@@`
  const entries = Object.entries(value)
  if (Array.isArray(value)) {
    return value.length === 0
      ? [1]
      : value.map((item, i) => (i === 0 ? changeValue(random, item, texts) : (item as unknown)))
  }
  const at = random.below(entries.length + 1)
  const entry = entries[at]
  const odd = `@@${texts.push(random.pick(oddValues)) - 1}@@`
  if (entry === undefined) return Object.fromEntries([...entries, [random.pick(oddNames), odd]])
  switch (random.below(6)) {
    case 0: return Object.fromEntries(entries.filter((_, i) => i !== at))
    case 1: return Object.fromEntries([...entries, [random.pick(oddNames), entry[1]]])
    case 2: return { ...value, [entry[0]]: odd }
    default: return { ...value, [entry[0]]: changeValue(random, entry[1], texts) }
  }
}

/** A text with one thing changed that JSON need not survive; it stays Unicode. */
function changeText (random: Random, text: string): string {
  const at = random.below(text.length)
  switch (random.below(5)) {
    case 0:
      return text.slice(0, at)
    case 1:
      return text.slice(0, at) + text.slice(at + 1 + random.below(8))
    case 2:
      return text.slice(0, at) + String.fromCharCode(32 + random.below(95)) + text.slice(at + 1)
    case 3:
      return (
        text.slice(0, at) +
        random.pick(['"', '\\', '{', '}', '[', ',', ':', '\0', '\u2028', '\\u', '//']) +
        text.slice(at)
      )
    default:
      return text.slice(0, at) + text.slice(random.below(text.length))
  }
}

/** A well-formed frame with a request that has been changed: the connection stays in any case. */
export function mutatedMessage (random: Random, requests: readonly object[]): Buffer {
  const texts: string[] = []
  const { id, type, ...fields } = random.pick(requests) as Record<string, unknown>
  // What is wrong at the top is refused at once, so that is for some of them only.
  const head = random.next() < 0.8 ? { id, type } : changeValue(random, { id, type }, texts)
  const changed = changeValue(random, fields, texts)
  const body = typeof changed === 'string' ? { data: changed } : changed as object
  const request = typeof head === 'string' ? head : { ...head as object, ...body }
  const json = JSON.stringify(request).replace(
    /"@@(\d+)@@"/g,
    (_, index: string) => texts[Number(index)] as string
  )
  return textFrame(random.next() < 0.12 ? changeText(random, json) : json)
}

function flipped (random: Random, bytes: Buffer, flips: number, within: number): Buffer {
  const copy = Buffer.from(bytes)
  for (let i = 0; i < flips && copy.length > 0; i++) {
    const at = random.below(Math.min(within, copy.length))
    copy[at] = (copy[at] as number) ^ 1 << random.below(8)
  }
  return copy
}

/** Frames that need not be well formed: it is all the same to them whether the connection stays. */
export function mutatedFrame (random: Random, requests: readonly object[]): Buffer {
  const json = JSON.stringify(random.pick(requests))
  const frame = textFrame(json)
  switch (random.below(12)) {
    case 0:
      return flipped(random, frame, 1 + random.below(3), 8)
    case 1:
      return flipped(random, frame, 1 + random.below(8), frame.length)
    case 2:
      return frame.subarray(0, random.below(frame.length))
    case 3:
      return textFrame(json, {
        length: random.pick([
          0,
          1,
          125,
          126,
          127,
          65_535,
          65_536,
          2 ** 20,
          2 ** 20 + 1,
          2 ** 31,
          2n ** 63n,
          json.length - 1,
          json.length + 1
        ])
      })
    case 4:
      return textFrame(json, { lengthBits: random.pick([16, 64] as const) })
    case 5:
      return encodeFrame(random.below(16), json.slice(0, random.below(140)), {
        fin: random.next() < 0.5,
        rsv: random.below(8),
        masked: random.next() < 0.9
      })
    case 6:
      return fragments(random.pick([opcodes.text, opcodes.binary]), json, 1 + random.below(20))
    case 7:
      return Buffer.concat(
        Array.from({ length: random.below(300) }, (_, i) =>
          encodeFrame(i === 0 ? opcodes.text : opcodes.continuation, '', { fin: false })
        )
      )
    case 8:
      return Buffer.concat(
        Array.from({ length: random.below(50) }, () =>
          encodeFrame(random.pick([opcodes.ping, opcodes.pong]), random.bytes(random.below(126)))
        )
      )
    case 9:
      return Buffer.concat([closeFrame(random.below(65_536), random.bytes(random.below(123))), frame])
    case 10:
      return Buffer.concat([
        frame.subarray(0, random.below(frame.length)),
        frame.subarray(random.below(frame.length))
      ])
    default:
      return random.bytes(1 + random.below(200))
  }
}

/**
 * Handshakes with lines that are missing, doubled, exchanged or broken. `path` is where they would be right.
 */
export function mutatedHandshake (random: Random, path: string): Buffer {
  const lines = [
    `GET ${path} HTTP/1.1`,
    'Host: localhost',
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${random.bytes(16).toString('base64')}`
  ]
  for (let changes = random.below(4); changes > 0 && lines.length > 0; changes--) {
    const at = random.below(lines.length)
    const line = lines[at] as string
    switch (random.below(7)) {
      case 0: lines.splice(at, 1); break
      case 1: lines.splice(at, 0, line); break
      case 2: lines.push(...lines.splice(at, 1)); break
      case 3:
        lines[at] = line.replace(/: .*/, `: ${random.pick([
          '', 'constructor', '__proto__', 'null', '0', 'x'.repeat(8_000), 'a, a', '\xff', '\0', '"'
        ])}`)
        break
      case 4: lines[at] = changeText(random, line); break
      case 5:
        lines.splice(at + 1, 0, random.pick([
          'Origin: null', 'Sec-WebSocket-Extensions: constructor; __proto__', 'Sec-WebSocket-Protocol: a,,b',
          'Content-Length: 10', 'Transfer-Encoding: chunked', 'X-Forwarded-For: 1', 'Expect: x',
          'Authorization: Bearer x', `X: ${'y'.repeat(random.below(20_000))}`
        ]))
        break
      default:
        lines[0] = [
          random.pick(['GET', 'POST', 'HEAD', 'CONNECT', 'PRI', 'get']),
          random.pick([
            path, `${path}#`, '*', '/%zz', '//', '/healthz', '/stats', `http://x${path}`,
            `${path}?${'%'.repeat(random.below(100))}`
          ]),
          `HTTP/${random.pick(['1.1', '1.0', '2.0', '1.9', ''])}`
        ].join(' ')
    }
  }
  const bytes = Buffer.concat([
    Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'),
    random.next() < 0.3 ? random.bytes(random.below(100)) : Buffer.alloc(0)
  ])
  switch (random.below(6)) {
    case 0: return flipped(random, bytes, 1 + random.below(4), bytes.length)
    case 1: return bytes.subarray(0, random.below(bytes.length))
    default: return bytes
  }
}
