/** Numbers are multiples of 2^-1074. */
const UNITS = 1_074

/** Returns a finite number as a whole number of units. */
function unitsOf (value: number): bigint {
  let exponent = 0
  let scaled = value
  // Both scalings are exact: by powers of two, towards numbers of 53 bits.
  while (!Number.isInteger(scaled)) {
    scaled *= 2
    exponent--
  }
  return BigInt(scaled) << BigInt(UNITS + exponent)
}

/** Returns the number next to `dividend / divisor` units, that with an even last bit of two. */
function nearest (dividend: bigint, divisor: bigint): number {
  if (dividend < 0n) return 0 - nearest(-dividend, divisor)
  let step = 1n
  while (dividend / (divisor * step) >= 2n ** 53n) step *= 2n
  const unit = divisor * step
  const below = dividend / unit
  const rest = 2n * (dividend - below * unit)
  const rounded = rest > unit || (rest === unit && below % 2n === 1n) ? below + 1n : below
  let value = Number(rounded)
  let exponent = step.toString(2).length - 1 - UNITS
  for (; exponent > 0; exponent--) value *= 2
  for (; exponent < -1_000; exponent += 50) value *= 2 ** -50
  return value * 2 ** exponent
}

/** Returns the sum of finite numbers, rounded once: the slow way. */
export function exactSum (numbers: readonly number[]): number {
  return nearest(numbers.reduce((sum, number) => sum + unitsOf(number), 0n), 1n)
}

/** Returns the mean of finite numbers, rounded once; 0 of none. */
export function exactMean (numbers: readonly number[]): number {
  if (numbers.length === 0) return 0
  return nearest(numbers.reduce((sum, number) => sum + unitsOf(number), 0n), BigInt(numbers.length))
}
