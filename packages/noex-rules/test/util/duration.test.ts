import fc from 'fast-check'
import t from 'tap'
import { type Duration, formatDuration, parseDuration } from '../../src/util/duration.js'

t.test('parseDuration', async t => {
  const table: ReadonlyArray<readonly [Duration, number]> = [
    [0, 0], [1500, 1500], [0.5, 0.5],
    ['0', 0], ['250', 250], ['500ms', 500], ['0s', 0], ['30s', 30_000], ['5m', 300_000], ['2h', 7_200_000],
    ['1d', 86_400_000], ['30d', 2_592_000_000], ['1w', 604_800_000], ['1y', 31_536_000_000], ['007s', 7000],
    ['9007199254740991ms', Number.MAX_SAFE_INTEGER]
  ]
  for (const [duration, ms] of table) {
    t.equal(parseDuration(duration), ms, `reads ${JSON.stringify(duration)}`)
  }

  const refused: unknown[] = [
    '', ' ', 's', '1 s', ' 1s', '1s ', '1S', '-1s', '+1s', '1.5h', '1e3', '1min', '1ms1s', '1s\n', '0x10',
    '٣s',
    '9007199254740992', '999999999999999y', '1'.repeat(17), '1'.repeat(100_000) + 's',
    -1, NaN, Infinity, -Infinity, 2 ** 53, null, undefined, true, {}, [], ['1s'], 1n, Symbol('1s'), {
      valueOf: () => 1
    }
  ]
  for (const value of refused) {
    t.throws(
      () => parseDuration(value as Duration), { name: 'RangeError' }, `refuses ${String(value).slice(0, 20)}`
    )
  }
})

t.test('formatDuration', async t => {
  const table: ReadonlyArray<readonly [number, string]> = [
    [0, '0ms'], [1, '1ms'], [999, '999ms'], [1000, '1s'], [1499, '1s'], [1500, '2s'], [59_999, '60s'],
    [60_000, '1m'], [90_000, '2m'], [3_599_999, '60m'], [3_600_000, '1h'], [86_400_000, '1d'],
    [6.9 * 86_400_000, '7d'], [604_800_000, '1w'],
    [691_200_000, '1w'], [31_536_000_000, '1y'], [1.4, '1ms'], [0.5, '1ms']
  ]
  for (const [ms, text] of table) t.equal(formatDuration(ms), text, `writes ${ms} ms as ${text}`)
  for (const value of [-1, NaN, Infinity, 2 ** 53]) {
    t.throws(() => formatDuration(value), { name: 'RangeError' })
  }

  t.test('writes what parseDuration reads, to half of the unit', async t => {
    const sizes = [1, 1000, 60_000, 3_600_000, 86_400_000, 604_800_000, 31_536_000_000]
    t.doesNotThrow(() => fc.assert(fc.property(fc.maxSafeNat(), ms => {
      const unit = sizes.findLast(size => ms >= size) ?? 1
      const text = formatDuration(ms)
      // The largest durations round up to more than there is.
      return ms > Number.MAX_SAFE_INTEGER - unit || Math.abs(parseDuration(text) - ms) <= unit / 2
    })))
  })
})
