import { setTimeout } from 'node:timers/promises'
import { chromium } from 'playwright-core'
import { openMany } from '../driver/open-many.js'
import { ServerProcess } from '../driver/server-process.js'
import { median } from '../driver/statistics.js'
import type { Row } from './row.js'

/** Idle connections beside that of the console: the list has ten answers' length. */
const CONNECTIONS = 10_000
const QUICK_CONNECTIONS = 200
const ROUNDS = 3
/** Time of a round, in milliseconds: a long list is asked for each 30 s. */
const ROUND_MS = 30_000
const QUICK_MS = 2_000

/** The pages that ask for most. */
const pages = ['overview', 'connections', 'queries'] as const

/** Measures the share of a core that a server spends on an open console. */
export async function consoleCost (isQuick: boolean): Promise<Row[]> {
  const server = await ServerProcess.start('noex-console')
  const clients = await openMany(server.port, isQuick ? QUICK_CONNECTIONS : CONNECTIONS)
  const executablePath = process.env['CHROMIUM'] ?? '/usr/bin/chromium'
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] })
  const page = await browser.newPage()
  const rounds = isQuick ? 1 : ROUNDS

  /** Returns the share of a core that is used meanwhile, in per cent; the median of some rounds. */
  const share = async (): Promise<number> => {
    const shares: number[] = []
    for (let round = 0; round < rounds; round++) {
      const [before, began] = [await server.read(), performance.now()]
      await setTimeout(isQuick ? QUICK_MS : ROUND_MS)
      const { cpuMicros } = await server.read()
      shares.push((cpuMicros - before.cpuMicros) / (performance.now() - began) / 10)
    }
    return median(shares)
  }

  const rows: Row[] = []
  const add = (name: string, noex: number, bare: number): void => {
    rows.push({ name: `console, ${name}`, unit: '% of a core', bare, noex, target: { addedAtMost: 1 } })
  }
  await setTimeout(3_000)
  const closed = await share()
  for (const name of pages) {
    await page.goto(`http://127.0.0.1:${server.port}/console/#/${name}`)
    await page.locator('.state[data-state="open"]').waitFor()
    // Opening is another cost than being open.
    await setTimeout(3_000)
    add(`${name}, ${clients.length} connections`, await share(), closed)
  }
  await page.close()
  await setTimeout(1_000)
  add('closed again', await share(), closed)
  await browser.close()
  for (const client of clients) client.reset()
  await server.stop()
  return rows
}
