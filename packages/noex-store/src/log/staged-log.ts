import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DurableFile, syncDirectory } from '@hamicek/noex-journal'

/** Folder in which a log is made; it is worth nothing until it has the name of a whole one. */
const UNFINISHED = 'import.new'
/** Folder of a log that is whole, until its files have been moved to where they belong. */
const WHOLE = 'import.done'
const PLAN = 'plan.json'

/** Steps that are left once a log is whole. */
export interface StagedPlan {
  readonly store: string
  readonly buckets: ReadonlyArray<{
    readonly name: string, readonly records: number, readonly file: string
  }>
  /** Folder, in that of the log, to which the old files are moved; absent where they stay. */
  readonly setAside?: string
}

/** Whether an import into a folder has begun and not ended. */
export function isImporting (directory: string): boolean {
  return existsSync(join(directory, UNFINISHED)) || existsSync(join(directory, WHOLE))
}

/**
 * Makes a log beside what is in a folder: `fill` writes its files to another folder, and returns the plan.
 * One rename then makes it the log that counts; `finishStaged` does the rest.
 * @throws what `fill` throws; then nothing of it is left
 */
export async function stageLog (
  directory: string, fill: (folder: string) => Promise<StagedPlan>
): Promise<void> {
  const folder = join(directory, UNFINISHED)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { mode: 0o700 })
  try {
    const plan = await fill(folder)
    const file = new DurableFile(join(folder, PLAN), true)
    try {
      file.append(Buffer.from(`${JSON.stringify(plan)}\n`))
    } finally {
      file.close()
    }
    syncDirectory(folder)
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    throw error
  }
  renameSync(folder, join(directory, WHOLE))
  syncDirectory(directory)
}

/**
 * Moves the files of a whole log to their folder, and then the old ones aside. Returns what was planned,
 * `undefined` where there is no such log. It can be called again after any end.
 */
export function finishStaged (directory: string): StagedPlan | undefined {
  const folder = join(directory, WHOLE)
  if (!existsSync(folder)) return undefined
  const path = join(folder, PLAN)
  // Without a plan only the folder itself was left to remove.
  const plan = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) as StagedPlan : undefined
  if (plan !== undefined) {
    moveLog(folder, directory)
    moveAside(directory, plan)
    rmSync(path)
  }
  rmdirSync(folder)
  syncDirectory(directory)
  return plan
}

/** `store.json` comes last: with it the log is there, as a whole. */
function moveLog (from: string, to: string): void {
  const names = readdirSync(from).filter(name => name !== PLAN && name !== 'store.json')
  for (const name of names) renameSync(join(from, name), join(to, name))
  syncDirectory(to)
  if (existsSync(join(from, 'store.json'))) renameSync(join(from, 'store.json'), join(to, 'store.json'))
  syncDirectory(to)
}

function moveAside (directory: string, { setAside, buckets }: StagedPlan): void {
  if (setAside === undefined) return
  const folder = join(directory, setAside)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  for (const { file } of buckets) {
    if (existsSync(join(directory, file))) renameSync(join(directory, file), join(folder, file))
  }
  syncDirectory(folder)
  syncDirectory(directory)
}
