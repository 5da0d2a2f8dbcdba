import fc from 'fast-check'

/** Finite numbers of all magnitudes, both zeros among them: some nearly cancel each other, some are whole. */
export const anyNumber: fc.Arbitrary<number> = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 }),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.nat(10_000).map(cents => cents / 100),
  fc.tuple(fc.constantFrom(1, -1), fc.integer({ min: -1_074, max: 1_023 }))
    .map(([sign, exponent]) => sign * 2 ** exponent),
  fc.constantFrom(
    0, -0, 0.1, -0.1, Number.MAX_VALUE, -Number.MAX_VALUE, Number.MIN_VALUE, -Number.MIN_VALUE,
    Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER, 2 ** 53, 2 ** 970, 1e308, -1e308,
    2.2250738585072014e-308
  )
)
