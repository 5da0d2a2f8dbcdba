import t from 'tap'
import { FrameReader } from '../../bench/driver/frame-reader.js'
import { textFrame } from '../../bench/servers/text-frame.js'

/** Reads bytes in pieces of this size; returns the beginnings of the messages. */
function read (bytes: Buffer, piece: number): string[] {
  const heads: string[] = []
  const reader = new FrameReader((bytes, start, end) => {
    heads.push(bytes.toString('latin1', start, Math.min(end, start + 100)))
  })
  // As sockets do it, which hand on one and the same buffer.
  const buffer = Buffer.alloc(piece)
  for (let from = 0; from < bytes.length; from += piece) {
    const length = bytes.copy(buffer, 0, from, from + piece)
    reader.read(buffer, 0, length)
    buffer.fill(0)
  }
  return heads
}

/** A message in two fragments. */
function fragments (first: string, last: string): Buffer {
  const frames = [textFrame(first), textFrame(last)] as const
  frames[0][0] = 0x01
  frames[1][0] = 0x80
  return Buffer.concat(frames)
}

t.test('messages of all sizes are told apart, in pieces of any size', async t => {
  const large = `large ${'x'.repeat(3_000_000)}`
  const bytes = Buffer.concat([
    textFrame('a'), textFrame(`b${'x'.repeat(200)}`), textFrame(`c${'x'.repeat(70_000)}`), textFrame(large),
    textFrame('d'), fragments('e', large), textFrame('f'), fragments(large, 'g'), fragments('h', 'i'),
    textFrame('j')
  ])
  for (const piece of [7_919, 65_536, 65_537, 1_048_576, bytes.length]) {
    const heads = read(bytes, piece).map(head => head.replace(/[x ].*/, ''))
    t.same(heads, ['a', 'b', 'c', 'large', 'd', 'e', 'f', 'large', 'h', 'j'], `pieces of ${piece}`)
  }
  t.same(read(bytes.subarray(0, 280), 1).length, 2, 'byte by byte')
})
