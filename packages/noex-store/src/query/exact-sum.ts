/** Bits of a limb; limbs are kept as numbers, which leaves room for sums of many before they are carried. */
const LIMB_BITS = 32
const LIMB = 2 ** LIMB_BITS

/** Additions whose limbs fit a number exactly before they must be carried: 2^20 · 2^32 < 2^53. */
const MAX_UNCARRIED = 2 ** 20

/** Exponent of the unit of the lowest limb: the smallest number above zero is 2^-1074. */
const UNIT_EXPONENT = -1_074

/** Limbs that a first number gets below and above its own three, for others of about its size. */
const MARGIN = 2
const NUMBER_LIMBS = 3

const value64 = new Float64Array(1)
const words = new Uint32Array(value64.buffer)
const HIGH_WORD = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1 ? 1 : 0
const LOW_WORD = 1 - HIGH_WORD

/**
 * The exact sum of finite numbers, which come and go in any order: the same numbers always give the same
 * bits. Safe integers are added as they are; all others to a wide fixed-point number, of whose limbs only a
 * window is kept.
 */
export class ExactSum {
  /** Part that safe integers have made, a safe integer itself. */
  #whole = 0
  /** Limbs from the lowest one of the window on, each a signed multiple of its unit. */
  #limbs: Float64Array | undefined
  /** Index of the window's lowest limb; that of index 0 counts multiples of 2^-1074. */
  #base = 0
  /** Additions since the limbs were last carried. */
  #uncarried = 0

  /** Adds a finite number. */
  add (value: number): void {
    const whole = this.#whole + value
    if (Number.isSafeInteger(value)) {
      if (Number.isSafeInteger(whole)) {
        this.#whole = whole
        return
      }
      const former = this.#whole
      this.#whole = value
      this.#addLimbs(former)
      return
    }
    this.#addLimbs(value)
  }

  /** Takes out a number that was added. */
  subtract (value: number): void {
    this.add(-value)
  }

  /** Estimated bytes of the limbs. */
  get bytes (): number {
    return this.#limbs === undefined ? 0 : 64 + this.#limbs.byteLength
  }

  /** Returns the sum, rounded once, ties to even: `Infinity` or `-Infinity` where no number can hold it. */
  sum (): number {
    return this.#limbs === undefined ? this.#whole : this.#rounded(1)
  }

  /** Returns the sum divided by `count`, a whole number from 1 to 2^32, rounded once. */
  mean (count: number): number {
    return this.#limbs === undefined ? this.#whole / count : this.#rounded(count)
  }

  #addLimbs (value: number): void {
    value64[0] = value
    const high = words[HIGH_WORD] as number
    const low = words[LOW_WORD] as number
    const exponent = (high >>> 20) & 0x7ff
    // Subnormal numbers have the exponent of the smallest normal ones, and no hidden bit.
    const shift = exponent === 0 ? 0 : exponent - 1
    const mantissa = exponent === 0 ? high & 0xfffff : (high & 0xfffff) | 0x100000
    const at = shift >>> 5
    const bits = shift & 31
    const limbs = this.#window(at)
    const slot = at - this.#base
    const sign = high >>> 31 === 0 ? 1 : -1
    limbs[slot] = limbs[slot] as number + sign * ((low << bits) >>> 0)
    // A shift by 32 would be none.
    const carried = bits === 0 ? 0 : low >>> (32 - bits)
    const highest = bits === 0 ? 0 : mantissa >>> (32 - bits)
    limbs[slot + 1] = limbs[slot + 1] as number + sign * (((mantissa << bits) | carried) >>> 0)
    limbs[slot + 2] = limbs[slot + 2] as number + sign * highest
    if (++this.#uncarried >= MAX_UNCARRIED) this.#carry()
  }

  /** Returns the limbs, with those of a number at index `at` among them and room for a carry. */
  #window (at: number): Float64Array {
    const limbs = this.#limbs
    if (limbs !== undefined && at >= this.#base && at + NUMBER_LIMBS < this.#base + limbs.length) return limbs
    const low = Math.max(0, at - MARGIN)
    const high = at + NUMBER_LIMBS + MARGIN + 1
    return limbs === undefined
      ? this.#resize(low, high)
      : this.#resize(Math.min(low, this.#base), Math.max(high, this.#base + limbs.length))
  }

  #resize (low: number, high: number): Float64Array {
    const limbs = new Float64Array(high - low)
    if (this.#limbs !== undefined) limbs.set(this.#limbs, this.#base - low)
    this.#limbs = limbs
    this.#base = low
    return limbs
  }

  /** Carries the limbs: all but the highest are then from 0 to 2^32 - 1. */
  #carry (): void {
    const limbs = this.#limbs as Float64Array
    carry(limbs)
    this.#uncarried = 0
    if (Math.abs(limbs[limbs.length - 1] as number) >= LIMB) {
      this.#resize(this.#base, this.#base + limbs.length + 1)
      carry(this.#limbs as Float64Array)
    }
  }

  #rounded (count: number): number {
    if (this.#whole !== 0) {
      const whole = this.#whole
      this.#whole = 0
      this.#addLimbs(whole)
    }
    this.#carry()
    const limbs = this.#limbs as Float64Array
    let top = limbs.length - 1
    while (top >= 0 && limbs[top] === 0) top--
    if (top < 0) return 0
    // The highest limb that is not 0 has the sign of the whole.
    if (limbs[top] as number > 0) return roundedRatio(limbs, top, this.#base, count)
    const opposite = limbs.map(limb => -limb)
    carry(opposite)
    while (opposite[top] === 0) top--
    // Not `-0` for what is rounded to nothing.
    return 0 - roundedRatio(opposite, top, this.#base, count)
  }
}

function carry (limbs: Float64Array): void {
  let carried = 0
  for (let i = 0; i < limbs.length - 1; i++) {
    const limb = limbs[i] as number + carried
    carried = Math.floor(limb / LIMB)
    limbs[i] = limb - carried * LIMB
  }
  limbs[limbs.length - 1] = limbs[limbs.length - 1] as number + carried
}

/** Limbs that decide how a number is rounded: at least 65 bits. Of the others it counts whether all are 0. */
const DECISIVE = 3

/** Bits that lengthen a dividend, so that a quotient by 2^32 still decides how it is rounded. */
const QUOTIENT_BITS = 64

/** Returns a number above zero, given by carried limbs, divided by `count`: rounded once, ties to even. */
function roundedRatio (limbs: Float64Array, top: number, base: number, count: number): number {
  const lowest = base + top < DECISIVE ? -base : top - DECISIVE + 1
  let decisive = 0n
  for (let i = top; i >= lowest; i--) decisive = decisive << 32n | BigInt(limbs[i] ?? 0)
  const exponent = (base + lowest) * LIMB_BITS + UNIT_EXPONENT
  if (exponent === UNIT_EXPONENT) {
    // Below the smallest normal number, the last bit of the result is the unit itself.
    const units = decisive / BigInt(count)
    if (units < 2n ** 53n) return Number(halfEven(decisive, BigInt(count), units)) * 2 ** UNIT_EXPONENT
  }
  let isInexact = false
  for (let i = lowest - 1; i >= 0 && !isInexact; i--) isInexact = limbs[i] !== 0
  if (count === 1) return Number(isInexact ? decisive | 1n : decisive) * 2 ** exponent
  const dividend = decisive << BigInt(QUOTIENT_BITS)
  const quotient = dividend / BigInt(count)
  isInexact ||= quotient * BigInt(count) !== dividend
  return Number(isInexact ? quotient | 1n : quotient) * 2 ** -QUOTIENT_BITS * 2 ** exponent
}

/** Rounds `dividend / divisor`, whose whole part is `quotient`, to a whole number, ties to even. */
function halfEven (dividend: bigint, divisor: bigint, quotient: bigint): bigint {
  const twice = 2n * (dividend - quotient * divisor)
  return twice > divisor || (twice === divisor && quotient % 2n === 1n) ? quotient + 1n : quotient
}
