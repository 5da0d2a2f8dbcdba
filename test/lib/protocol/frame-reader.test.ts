import t from 'tap'
import { asciiFrames, fragment, sharingFrame, textFrame, textFrames } from '../../../lib/protocol/frame.js'
import { FrameReader } from '../../../lib/protocol/frame-reader.js'
import { SharedJson, SharingText } from '../../../lib/protocol/shared-json.js'

/** Returns the messages in chunks, each with the number of its pieces. */
function messagesIn (chunks: readonly Buffer[]): Array<readonly [text: string, pieces: number]> {
  const reader = new FrameReader()
  const messages: Array<readonly [string, number]> = []
  let pieces: Buffer[] = []
  for (const chunk of chunks) {
    reader.read(chunk, (bytes, isFirst, isLast) => {
      if (isFirst !== (pieces.length === 0)) throw new Error('a message begins within another one')
      pieces.push(bytes)
      if (!isLast) return
      messages.push([Buffer.concat(pieces).toString(), pieces.length])
      pieces = []
    })
  }
  if (pieces.length > 0) throw new Error('a message has no end')
  return messages
}

t.test('the frames of the outbox are read back, of any length', async t => {
  for (const length of [0, 1, 125, 126, 127, 65_535, 65_536, 200_000]) {
    const text = 'š'.repeat(length)
    t.same(messagesIn([textFrame(text), textFrame('x')]), [[text, 1], ['x', 1]], String(length))
  }
})

t.test('several frames in one chunk, as bytes or as characters', async t => {
  const texts = ['a', 'b'.repeat(200), '', 'd']
  const expected = texts.map(text => [text, 1])
  t.same(messagesIn([textFrames([...texts, 'š'])]), [...expected, ['š', 1]])
  t.same(messagesIn([Buffer.from(asciiFrames(texts) as string, 'latin1')]), expected)
})

t.test('a message in several frames, or whose payload comes in several chunks, is one message', async t => {
  const parts = ['{"a":"', 'š'.repeat(70_000), '', '"}']
  const frames = parts.map((part, i) => fragment(part, { isFirst: i === 0, isLast: i === 3 }))
  t.same(messagesIn([...frames, textFrame('next')]), [[parts.join(''), 3], ['next', 1]])
  const shared = new SharingText('{"data":', new SharedJson('x'.repeat(5_000)), '}}')
  t.same(messagesIn([...sharingFrame(shared), textFrame('next')]), [[String(shared), 3], ['next', 1]])
})

t.test('a payload may be cut anywhere', async t => {
  const frame = textFrame('x'.repeat(300))
  for (let at = 4; at < frame.length; at++) {
    const messages = messagesIn([frame.subarray(0, at), frame.subarray(at), textFrame('y')])
    t.same(messages.map(([text]) => text), ['x'.repeat(300), 'y'])
  }
})
