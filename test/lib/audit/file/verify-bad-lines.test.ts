import { generateKeyPairSync } from 'node:crypto'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import t from 'tap'
import type { ChainHead } from '../../../../lib/audit/chain/chain.js'
import {
  checkpointLine, digestOf, parseCheckpointLine, signCheckpoint, type Checkpoint
} from '../../../../lib/audit/chain/checkpoint.js'
import { verifyTrail } from '../../../../lib/audit/file/verify.js'
import { editLines, keys, writeTrail, type WrittenTrail } from '../../../support/audit-trail-files.js'
import { temporaryDirectory } from '../../../support/temporary-directory.js'

const { privateKey, publicKey } = keys

/** A change to a trail, and the result that names it. */
interface BadLine {
  readonly change: (trail: WrittenTrail) => void
  readonly file: string
  readonly line: number
  readonly seq?: number
  readonly problem: RegExp
  readonly withKey?: boolean
}

t.test('the first bad line is named, and why', async t => {
  const segments = [30, 40, 25]
  const cases: Record<string, BadLine> = {
    'a changed letter': {
      change: ({ path }) => {
        editLines(path, lines => {
          lines[4] = (lines[4] as string).replace('192.0', '193.0')
        })
      },
      file: 'audit.jsonl',
      line: 5,
      seq: 75,
      problem: /hash that follows/
    },
    'a changed hash': {
      change: ({ path }) => {
        editLines(path, lines => {
          lines[4] = (lines[4] as string).replace(/"hash":"./, '"hash":"_')
        })
      },
      file: 'audit.jsonl',
      line: 5,
      seq: 75,
      problem: /not an entry/
    },
    'a blank line': {
      change: ({ path }) => { editLines(path, lines => { lines.splice(4, 0, '\n') }) },
      file: 'audit.jsonl',
      line: 5,
      seq: 75,
      problem: /not an entry/
    },
    'a carriage return': {
      change: ({ path }) => {
        editLines(path, lines => {
          lines[4] = (lines[4] as string).replace('\n', '\r\n')
        })
      },
      file: 'audit.jsonl',
      line: 5,
      seq: 75,
      problem: /not an entry/
    },
    'a mark of byte order': {
      change: ({ files }) => { editLines(files[0] as string, lines => { lines.unshift('\uFEFF') }) },
      file: 'audit.0000000000000001.jsonl',
      line: 1,
      seq: 1,
      problem: /not an entry/
    },
    'a line feed less': {
      change: ({ path }) => { writeFileSync(path, readFileSync(path).subarray(0, -1)) },
      file: 'audit.jsonl',
      line: 25,
      seq: 95,
      problem: /line feed/
    },
    'bytes that are no UTF-8': {
      change: ({ path }) => {
        const bytes = readFileSync(path)
        bytes[bytes.indexOf('ü')] = 0xff
        writeFileSync(path, bytes)
      },
      file: 'audit.jsonl',
      line: 1,
      seq: 71,
      problem: /UTF-8/
    },
    'a line that is too long': {
      change: ({ path }) => {
        editLines(path, lines => {
          lines[4] = `{"x":"${'x'.repeat(200_000)}",${(lines[4] as string).slice(1)}`
        })
      },
      file: 'audit.jsonl',
      line: 5,
      seq: 75,
      problem: /longer than 65536/
    },
    'a deleted line': {
      change: ({ files }) => { editLines(files[1] as string, lines => { lines.splice(9, 1) }) },
      file: 'audit.0000000000000031.jsonl',
      line: 10,
      seq: 40,
      problem: /entry 41, where entry 40/
    },
    'a repeated line': {
      change: ({ path }) => { editLines(path, lines => { lines.splice(5, 0, lines[4] as string) }) },
      file: 'audit.jsonl',
      line: 6,
      seq: 76,
      problem: /entry 75, where entry 76/
    },
    'swapped lines': {
      change: ({ path }) => {
        editLines(path, lines => {
          lines.splice(3, 2, lines[4] as string, lines[3] as string)
        })
      },
      file: 'audit.jsonl',
      line: 4,
      seq: 74,
      problem: /entry 75, where entry 74/
    },
    'a cut tail': {
      change: ({ path }) => { editLines(path, lines => { lines.length = 20 }) },
      file: 'audit.jsonl',
      line: 21,
      seq: 91,
      problem: /ends here.*entry 95/
    },
    'a tail of which nothing is left': {
      change: ({ path }) => { writeFileSync(path, '') },
      file: 'audit.jsonl',
      line: 1,
      seq: 71,
      problem: /ends here/
    },
    'a missing segment': {
      change: ({ files }) => { rmSync(files[1] as string) },
      file: 'audit.jsonl',
      line: 1,
      seq: 31,
      problem: /^entries 31 to 70 are gone/
    },
    'a missing last segment': {
      change: ({ path }) => { rmSync(path) },
      file: 'audit.0000000000000031.jsonl',
      line: 41,
      seq: 71,
      problem: /ends here/
    },
    'a changed checkpoint': {
      change: ({ sidecar }) => {
        editLines(sidecar, lines => {
          lines[1] = (lines[1] as string).replace('"seq":20', '"seq":21')
        })
      },
      file: 'audit.checkpoints',
      line: 2,
      problem: /damaged/
    },
    'a checkpoint without line feed': {
      change: ({ sidecar }) => { writeFileSync(sidecar, readFileSync(sidecar).subarray(0, -1)) },
      file: 'audit.checkpoints',
      line: 10,
      problem: /line feed/
    },
    'a repeated checkpoint': {
      change: ({ sidecar }) => { editLines(sidecar, lines => { lines.splice(1, 0, lines[0] as string) }) },
      file: 'audit.checkpoints',
      line: 2,
      problem: /for entry 10, but one for entry 10/
    },
    'a removed checkpoint': {
      change: ({ sidecar }) => { editLines(sidecar, lines => { lines.splice(1, 1) }) },
      file: 'audit.checkpoints',
      line: 2,
      problem: /does not follow the one before it/
    },
    'a removed first checkpoint': {
      change: ({ sidecar }) => { editLines(sidecar, lines => { lines.splice(0, 1) }) },
      file: 'audit.checkpoints',
      line: 1,
      problem: /does not follow/
    },
    'a removed checkpoint over which the next has been made to fit': {
      change: ({ sidecar }) => {
        editLines(sidecar, lines => {
          lines.splice(1, 2, fitted(lines[0], lines[2]))
        })
      },
      file: 'audit.checkpoints',
      line: 2,
      problem: /another key or text/,
      withKey: true
    },
    'a checkpoint of other entries': {
      change: ({ sidecar }) => {
        editLines(sidecar, lines => {
          lines[1] = resigned(lines[1], { hash: 'f'.repeat(64) })
        })
      },
      file: 'audit.0000000000000001.jsonl',
      line: 20,
      seq: 20,
      problem: /checkpoint states \(.*audit\.checkpoints:2\)/
    },
    'a checkpoint that another key has signed': {
      change: ({ sidecar }) => { editLines(sidecar, lines => { lines[1] = resigned(lines[1]) }) },
      file: 'audit.checkpoints',
      line: 2,
      problem: /another key/,
      withKey: true
    },
    'a checkpoint without a signature': {
      change: ({ sidecar }) => {
        editLines(sidecar, lines => {
          lines[1] = `${checkpointLine(unsigned(lines[1]))}\n`
        })
      },
      file: 'audit.checkpoints',
      line: 2,
      problem: /not signed/,
      withKey: true
    }
  }
  const foreign = generateKeyPairSync('ed25519')

  function unsigned (line = ''): Checkpoint {
    const { signature, ...checkpoint } = parseCheckpointLine(line.trimEnd()) as Checkpoint
    return checkpoint
  }

  /** Returns a checkpoint that follows another one, with its old signature. */
  function fitted (before = '', line = ''): string {
    const checkpoint = parseCheckpointLine(line.trimEnd()) as Checkpoint
    const previous = digestOf(parseCheckpointLine(before.trimEnd()) as Checkpoint)
    return `${checkpointLine({ ...checkpoint, previous })}\n`
  }

  function resigned (line?: string, members: Partial<ChainHead> = {}): string {
    return `${checkpointLine(signCheckpoint({ ...unsigned(line), ...members }, foreign.privateKey))}\n`
  }

  for (const [name, { change, withKey = false, file, ...expected }] of Object.entries(cases)) {
    t.test(name, async t => {
      const trail = writeTrail(temporaryDirectory(t), { segments, checkpointEvery: 10, key: privateKey })
      change(trail)
      const result = await verifyTrail({ files: [trail.path], ...(withKey && { publicKey }) })
      t.match(
        { ...result, ...(!result.ok && { file: basename(result.file) }) },
        { ok: false, ...expected, file }
      )
      t.equal('seq' in result, expected.seq !== undefined)
    })
  }
  t.end()
})
