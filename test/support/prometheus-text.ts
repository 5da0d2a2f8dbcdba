import { setImmediate } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'

/** One line of a scrape. */
export interface Sample {
  /** The name in the text: that of the family, or that followed by `_bucket`, `_sum` or `_count`. */
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** A metric with all its samples. */
export interface Family {
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly samples: Sample[]
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/
const VALUE = /^(?:[+-]?(?:\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|[+-]Inf|Na[Nn])$/
/** Parts of the samples of a histogram, which have names of their own. */
const PART = /_(?:bucket|sum|count)$/

/** A scrape in the text format of Prometheus 0.0.4. */
export class Scrape {
  readonly families = new Map<string, Family>()

  /** @throws when the text violates the format or its conventions */
  constructor (text: string) {
    if (!text.endsWith('\n')) throw new Error('the last line must end')
    let family: Family | undefined
    let help: readonly [name: string, text: string] | undefined
    const seen = new Set<string>()
    for (const line of text.split('\n')) {
      if (line === '') continue
      const comment = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line)
      if (comment === null) {
        if (line.startsWith('#') || family === undefined) throw new Error(`unexpected: ${line}`)
        const sample = sampleOf(line)
        const key = `${sample.name}${JSON.stringify(Object.entries(sample.labels).sort())}`
        if (seen.has(key)) throw new Error(`twice: ${line}`)
        seen.add(key)
        const base = family.type === 'histogram' ? sample.name.replace(PART, '') : sample.name
        if (base !== family.name) throw new Error(`${line} stands below ${family.name}`)
        family.samples.push(sample)
        continue
      }
      const [, kind, name = '', rest = ''] = comment
      if (kind === 'HELP') {
        help = [name, rest]
        continue
      }
      if (help?.[0] !== name || this.families.has(name)) {
        throw new Error(`no help before, or a second type: ${line}`)
      }
      if (!NAME.test(name) || !['counter', 'gauge', 'histogram'].includes(rest)) {
        throw new Error(`no type: ${line}`)
      }
      if ((rest === 'counter') !== name.endsWith('_total')) throw new Error(`${name} is a ${rest}`)
      family = { name, type: rest as Family['type'], help: help[1], samples: [] }
      this.families.set(name, family)
    }
    for (const family of this.families.values()) check(family)
  }

  /** Returns the value with this name and exactly these labels; `undefined` when there is none. */
  value (name: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
    const wanted = JSON.stringify(Object.entries(labels).sort())
    return this.samples(name).find(sample => JSON.stringify(Object.entries(sample.labels).sort()) === wanted)
      ?.value
  }

  /** Returns all samples with this name. */
  samples (name: string): Sample[] {
    const family = this.families.get(name) ?? this.families.get(name.replace(PART, ''))
    return (family?.samples ?? []).filter(sample => sample.name === name)
  }

  /** Returns the values of a label in the samples with this name. */
  labels (name: string, label: string): Set<string | undefined> {
    return new Set(this.samples(name).map(({ labels }) => labels[label]))
  }
}

function sampleOf (line: string): Sample {
  const [, name = '', inBraces = '', value = ''] = SAMPLE.exec(line) ?? []
  if (name === '' || !VALUE.test(value)) throw new Error(`no sample: ${line}`)
  const labels: Record<string, string> = {}
  for (let rest = inBraces; rest !== '';) {
    const [all, label = '', text = ''] = LABEL.exec(rest) ?? []
    if (all === undefined || label in labels) throw new Error(`no label: ${line}`)
    labels[label] = text.replace(/\\(.)/g, (_, escaped: string) => escaped === 'n' ? '\n' : escaped)
    rest = rest.slice(all.length)
  }
  return { name, labels, value: Number(value.replace('Inf', 'Infinity').replace(/^Nan$/, 'NaN')) }
}

function check ({ name, type, samples }: Family): void {
  // prom-client has no mean before the first sample.
  if (/^nodejs_eventloop_lag_/.test(name)) return
  for (const { value } of samples) {
    if (!Number.isFinite(value) || (type !== 'gauge' && value < 0)) throw new Error(`${name} is ${value}`)
  }
  if (type === 'histogram') checkHistogram(name, samples)
}

/** Checks that buckets rise, that the last counts all, and that each series has a sum and a count. */
function checkHistogram (name: string, samples: readonly Sample[]): void {
  const series = new Map<string, Sample[]>()
  for (const sample of samples) {
    const key = JSON.stringify({ ...sample.labels, le: undefined })
    series.set(key, [...series.get(key) ?? [], sample])
  }
  for (const [key, of] of series) {
    const buckets = of.filter(sample => sample.name === `${name}_bucket`)
    const bounds = buckets.map(({ labels }) => Number(labels['le']?.replace('Inf', 'Infinity') ?? NaN))
    const counts = buckets.map(({ value }) => value)
    const rises = (list: readonly number[], strictly: boolean): boolean =>
      list.every(
        (item, i) => i === 0 || (strictly ? item > (list[i - 1] as number) : item >= (list[i - 1] as number))
      )
    const [sum, count] = ['sum', 'count'].map(part => of.filter(sample => sample.name === `${name}_${part}`))
    if (!rises(bounds, true) || bounds.at(-1) !== Infinity || !rises(counts, false)) {
      throw new Error(`${name}${key}: buckets ${bounds.join()} have ${counts.join()}`)
    }
    if (sum?.length !== 1 || count?.length !== 1 || count[0]?.value !== counts.at(-1)) {
      throw new Error(`${name}${key}: sum or count is wrong`)
    }
  }
}

/** The option `routes` with metrics. */
export const routes = { metrics: '/metrics' }

/** Reads the metrics of a service. */
export async function scrape (app: FastifyInstance, url = '/metrics'): Promise<Scrape> {
  const response = await app.inject(url)
  if (response.statusCode !== 200) throw new Error(`${url} answers ${response.statusCode}`)
  return new Scrape(response.body)
}

/** Scrapes until a value is as expected, and returns that scrape. Throws after 20 seconds. */
export async function scrapeUntil (
  app: FastifyInstance,
  name: string,
  labels: Record<string, string>,
  isRight: (value: number) => boolean
): Promise<Scrape> {
  const deadline = performance.now() + 20_000
  for (;;) {
    const found = await scrape(app)
    const value = found.value(name, labels)
    if (value !== undefined && isRight(value)) return found
    if (performance.now() > deadline) throw new Error(`${name}${JSON.stringify(labels)} is ${value}`)
    await setImmediate()
  }
}
