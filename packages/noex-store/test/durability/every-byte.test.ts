import { existsSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'tap'
import { Store } from '../../src/index.js'
import { LogDirectory } from '../../src/log/log-directory.js'
import { filesIn, writeSmallStore } from '../support/directory-copies.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

/** Opens a log in this thread; returns all that it tells. */
function textsIn (directory: string): string {
  let texts = ''
  const log = new LogDirectory({ directory, fsync: true, maxBytes: 1e6, isKnown: false }, notice => {
    // Lines of a snapshot that is passed over do not count.
    if (notice.type === 'snapshot-begin') texts = `${notice.revision}\n`
    else texts += `${notice.lines}\n`
  })
  const { epoch, revision } = log.opened
  log.close()
  return `${String(epoch)} ${revision}\n${texts}`
}

/** Starts a store on a directory; returns its image. */
async function imageIn (directory: string): Promise<string> {
  const store = await Store.start({ ttlCheckIntervalMs: 0, durability: { directory, onNotice () {} } })
  const image = JSON.stringify(store.image())
  await store.stop()
  return image
}

/** Where a sync costs nothing. */
const inMemory = existsSync('/dev/shm') ? '/dev/shm' : undefined
const remedy = /bring .* back from a backup|it takes a newer one/

test('each byte of each file', async t => {
  const directory = temporaryDirectory(t)
  const image = await writeSmallStore(directory)
  const files = filesIn(directory)
  const copied = join(temporaryDirectory(t, inMemory), 'copied')
  const restore = (): void => {
    rmSync(copied, { recursive: true, force: true })
    mkdirSync(copied)
    for (const [name, content] of files) writeFileSync(join(copied, name), content, 'latin1')
  }
  restore()
  const texts = textsIn(copied)
  /** Texts that were found, and whether they give the same store. */
  const isWhole = new Map([[texts, true]])
  const kinds = [...files.keys()].map(name => name.replace(/\d+/, 'N'))
  t.same(kinds, [
    'snapshot.N.log', 'snapshot.N.log', 'store.N.log', 'store.json', 'store.log', 'store.mark'
  ])

  /** Starts on a changed copy: `all` is there, or the start is `refused` and has changed nothing. */
  const outcome = async (change: (path: string) => void): Promise<string> => {
    restore()
    change(copied)
    const before = filesIn(copied)
    try {
      const found = textsIn(copied)
      if (!isWhole.has(found)) {
        restore()
        change(copied)
        isWhole.set(found, found.startsWith(texts.slice(0, 36)) && await imageIn(copied) === image)
      }
      return isWhole.get(found) === true ? 'all' : 'less in silence'
    } catch (error) {
      const { message } = error as Error
      const after = filesIn(copied)
      const isChanged = [...before].some(([name, content]) => after.get(name) !== content)
      if (isChanged) return `refused, and changed: ${message}`
      return message.includes(basename(copied)) && remedy.test(message) ? 'refused' : `unclear: ${message}`
    }
  }

  const counts = { all: 0, refused: 0 }
  const expect = async (place: string, change: (path: string) => void): Promise<void> => {
    const found = await outcome(change)
    if (found === 'all' || found === 'refused') counts[found]++
    else t.fail(`${place}: ${found}`)
  }
  for (const name of files.keys()) {
    const content = readFileSync(join(directory, name))
    await expect(`${name} is gone`, path => { rmSync(join(path, name)) })
    for (let at = 0; at < content.length; at++) {
      await expect(`${name} is cut at ${at}`, path => { truncateSync(join(path, name), at) })
      const byte = content[at] as number
      for (const value of new Set(process.env['THOROUGH'] === '1' ? [byte ^ 1, 10] : [byte ^ 1])) {
        if (value === byte) continue
        const changed = Buffer.from(content)
        changed[at] = value
        const place = `${name}, byte ${at} as ${value}`
        await expect(place, path => { writeFileSync(join(path, name), changed) })
      }
    }
  }
  t.ok(counts.all > 100 && counts.refused > 100, JSON.stringify(counts))
})
