import t from 'tap'
import * as ws from 'ws'
import { asciiFrames, headerBytes, textFrame, textFrames } from '../../../lib/protocol/frame.js'

t.test('Frames are those of the ws package', async t => {
  const { Sender } = ws as unknown as { Sender: { frame: (data: Buffer, options: object) => Buffer[] } }
  const reference = (text: string) =>
    Buffer.concat(
      Sender.frame(Buffer.from(text), { fin: true, opcode: 1, mask: false, rsv1: false, readOnly: true })
    )

  for (const size of [0, 1, 125, 126, 127, 65_535, 65_536, 70_000]) {
    const text = 'x'.repeat(size)
    t.ok(textFrame(text).equals(reference(text)), `a payload of ${size} bytes`)
    t.equal(headerBytes(size), reference(text).length - size, `the header of ${size} bytes`)
  }
  const wide = 'ž😀'.repeat(21)
  t.equal(Buffer.byteLength(wide), 126)
  t.ok(textFrame(wide).equals(reference(wide)), 'bytes count, not characters')

  const texts = ['', 'a', 'x'.repeat(126), wide, 'y'.repeat(65_536)]
  t.ok(textFrames(texts).equals(Buffer.concat(texts.map(reference))), 'several frames in one buffer')
  t.ok(textFrames(['only']).equals(reference('only')), 'one frame in a list')
})

t.test('asciiFrames', t => {
  t.test('are the same bytes, one for each character', async t => {
    const texts = [0, 1, 125, 126, 127, 255, 256, 14_000].map(size => 'x'.repeat(size))
    t.same(Buffer.from(asciiFrames(texts) ?? '', 'latin1'), textFrames(texts))
    for (const text of texts) {
      t.same(Buffer.from(asciiFrames([text]) ?? '', 'latin1'), textFrame(text), `${text.length} characters`)
    }
  })

  t.test('are not built of characters beyond ASCII, nor of long texts', async t => {
    for (const text of ['\u007f\u0080', 'é', 'ž', '😀', '\ud800', 'x'.repeat(15_001)]) {
      t.equal(asciiFrames(['before', text, 'after']), undefined)
    }
    t.equal(asciiFrames(Array<string>(160).fill('x'.repeat(100))), undefined, 'long together')
    t.ok(asciiFrames(['\u0000\u007f']), 'all of ASCII')
  })
  t.end()
})
