import {
  appendFileSync, copyFileSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { Store, type DurabilityNotice } from '../../src/index.js'
import { readIdentity, writeIdentity, type Identity } from '../../src/log/identity.js'
import { copiesOf, writeSmallStore } from '../support/directory-copies.js'
import { faultRows, faultTable } from './fault-rows.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const root = new URL('../../../../../', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8')
const document = read('docs/durability.md')

test('the table of faults is that of the tests', async t => {
  t.ok(document.includes(`\n\n${faultTable()}\n\n`))
  for (const { fault, tests } of faultRows) {
    t.ok(tests.length > 0, fault)
    for (const [file, words] of tests) t.ok(read(file).includes(words), `${file}: ${words}`)
  }
})

/** The messages in the table below a heading. */
function textsBelow (heading: string): string[] {
  const [, section = ''] = document.split(new RegExp(`\n##+ ${heading}\n`))
  const [own = ''] = section.split('\n##')
  return [...own.matchAll(/^\| `([^`]+)` \|/gm)].map(([, text = '']) => text)
}

/** The messages of the document, each as what it stands for: words in capitals are of the case at hand. */
function documented (): Array<readonly [text: string, pattern: RegExp]> {
  return textsBelow('Messages').map(text => {
    const escaped = text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
    const pattern = escaped.replace(/\bDIRECTORY\b/g, '/[^\\s:]+').replace(/\b[A-Z]\b/g, '\\d+')
      .replace(/\bMESSAGE\b/g, '[A-Z]+: .+').replace(/\bNAME\b/g, '\\S+')
    return [text, new RegExp(`^${pattern}$`)] as const
  })
}

async function messageOf (directory: string): Promise<string> {
  const durability = { directory, onNotice () {} }
  return await Store.start({ ttlCheckIntervalMs: 0, durability }).then(
    async store => {
      await store.stop()
      return 'it starts'
    },
    (error: Error) => error.message
  )
}

/** The files of a kind, oldest first. */
const filesOf = (directory: string, kind: RegExp): string[] =>
  readdirSync(directory).filter(name => kind.test(name)).sort().map(name => join(directory, name))
const segments = /^store\.\d+\.log$/
const snapshots = /^snapshot\./

function change (path: string, at: number): void {
  const content = readFileSync(path)
  content[at] = (content[at] as number) ^ 1
  writeFileSync(path, content)
}

function cut (path: string, bytes: number): void {
  truncateSync(path, readFileSync(path).length - bytes)
}

/** Does to a copy of a store each fault that a start tells by a message of its own. */
const refusals: ReadonlyArray<(directory: string) => void> = [
  directory => { change(join(directory, 'store.json'), 20) },
  directory => { rmSync(join(directory, 'store.json')) },
  directory => {
    const path = join(directory, 'store.json')
    writeFileSync(path, readFileSync(path, 'utf8').replace('"format":1', '"format":2'))
  },
  directory => {
    for (const name of readdirSync(directory)) if (name !== 'store.mark') rmSync(join(directory, name))
  },
  directory => { change(filesOf(directory, segments).at(-1) as string, 30) },
  directory => { change(join(directory, 'store.log'), 30) },
  directory => {
    cut(join(directory, 'store.log'), 3)
  },
  directory => {
    const [first = '', second = ''] = filesOf(directory, snapshots)
    rmSync(first)
    rmSync(second)
  },
  directory => { for (const path of filesOf(directory, snapshots)) change(path, 30) },
  directory => {
    // As a log that was compacted.
    const [older = '', newer = ''] = filesOf(directory, snapshots)
    const snapshot = Number(/\d{16}/.exec(newer)?.[0])
    writeIdentity(directory, { ...readIdentity(directory) as Identity, first: snapshot + 1, snapshot })
    rmSync(older)
    rmSync(newer)
  },
  directory => {
    const [path = ''] = filesOf(directory, segments)
    renameSync(path, path.replace(/\d+\.log$/, '0000000000000003.log'))
  },
  directory => {
    rmSync(filesOf(directory, segments).at(-1) as string)
    rmSync(filesOf(directory, snapshots).at(-1) as string)
  },
  directory => {
    rmSync(directory, { recursive: true })
    writeFileSync(directory, '')
  },
  directory => {
    rmSync(join(directory, 'store.log'))
    mkdirSync(join(directory, 'store.log'))
  },
  directory => { writeFileSync(join(directory, 'store.lock'), '') },
  directory => { copyFileSync(filesOf(directory, snapshots).at(-1) as string, join(directory, 'store.log')) },
  directory => {
    copyFileSync(filesOf(directory, snapshots).at(-1) as string, join(directory, 'store.log'))
    for (const path of [...filesOf(directory, segments), ...filesOf(directory, snapshots)]) rmSync(path)
  },
  directory => {
    const [segment = ''] = filesOf(directory, segments)
    const text = readFileSync(segment, 'utf8')
    writeFileSync(segment, text.slice(0, text.indexOf('\n') + 1))
  },
  directory => {
    const snapshot = filesOf(directory, snapshots).at(-1) as string
    copyFileSync(snapshot, snapshot.replace(/\d+\.log$/, '0000000000009999.log'))
  }
]

/** Notices and errors of a store that runs, or starts after a fault that it gets over. */
async function notices (copy: () => string): Promise<string[]> {
  const told: string[] = []
  const start = async (directory: string): Promise<Store> => await Store.start({
    ttlCheckIntervalMs: 0,
    durability: {
      directory,
      onNotice ({ type, message }: DurabilityNotice) {
        if (type !== 'disk_low' && type !== 'progress') told.push(message)
      }
    }
  })
  const torn = copy()
  writeFileSync(join(torn, 'store.log'), `${readFileSync(join(torn, 'store.log'), 'utf8')}0123`)
  const store = await start(torn)
  told.push(await messageOf(torn))
  await store.stop()
  const damaged = copy()
  change(filesOf(damaged, snapshots).at(-1) as string, 30)
  await (await start(damaged)).stop()
  for (const meddle of [
    (path: string) => { rmSync(join(path, 'store.json')) },
    (path: string) => { rmSync(join(path, 'store.log')) },
    (path: string) => { cut(join(path, 'store.log'), 9) },
    (path: string) => { appendFileSync(join(path, 'store.log'), 'of another program') },
    (path: string) => {
      rmSync(join(path, 'store.log'))
      writeFileSync(join(path, 'store.log'), 'of another program')
    }
  ]) {
    const directory = copy()
    const running = await start(directory)
    meddle(directory)
    const write = running.bucket('users').insert({ id: 'x' })
    told.push(await write.then(() => 'it is taken', (error: Error) => error.message))
    await running.stop().catch(() => {})
  }
  return told
}

test('each message is in the document, and each that is there is a real one', async t => {
  const directory = temporaryDirectory(t)
  await writeSmallStore(directory)
  const copy = copiesOf(t, directory)
  const messages: string[] = []
  for (const refuse of refusals) {
    const refused = copy()
    refuse(refused)
    messages.push(await messageOf(refused))
  }
  messages.push(...await notices(copy))
  const patterns = documented()
  for (const message of messages) {
    t.ok(patterns.some(([, pattern]) => pattern.test(message)), `it is in the document: ${message}`)
  }
  for (const [text, pattern] of patterns) {
    t.ok(messages.some(message => pattern.test(message)), `it is told: ${text}`)
  }
})

test('messages about the directory itself are those of the code', async t => {
  const folders = ['packages/journal/src/', 'packages/noex-store/src/log/']
  const sources = folders.flatMap(folder => readdirSync(new URL(folder, root), { withFileTypes: true })
    .filter(entry => entry.isFile() && entry.name.endsWith('.ts'))
    .map(({ name }) => read(`${folder}${name}`)))
  // Texts that go over several lines stand in one.
  const code = sources.join('\n').replace(/['`] \+\n\s*['`]/g, '')
  const texts = textsBelow('About the directory')
  t.ok(texts.length > 3)
  for (const text of texts) {
    for (const part of text.split(/\b(?:DIRECTORY|MESSAGE)\b\S*|[()]/)) {
      if (part.length > 6) t.ok(code.includes(part.trim()), part)
    }
  }
})
