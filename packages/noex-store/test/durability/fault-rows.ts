/** A fault of the files of a store, and the tests that show its outcome. */
export interface FaultRow {
  readonly fault: string
  readonly outcome: string
  readonly remedy: string
  /** File below the root of the repository, and words of it by which the test is found. */
  readonly tests: ReadonlyArray<readonly [file: string, words: string]>
}

const here = 'packages/noex-store/test'
const bytes = `${here}/durability/every-byte.test.ts`
const disk = `${here}/durability/disk-faults.test.ts`
const folder = `${here}/durability/directory-faults.test.ts`
const campaign = 'scripts/store-crash-campaign.js'

/** The table of docs/durability.md. */
export const faultRows: readonly FaultRow[] = [
  {
    fault: 'the process is killed: at any system call, in a snapshot, while the log is cut, in a start',
    outcome: 'everything that was answered is there, no number is given twice',
    remedy: 'start it again',
    tests: [[`${here}/durability.test.ts`, 'kill -9 at any moment'], [campaign, 'function kill']]
  },
  {
    fault: 'loss of power: the end of the log is cut, or reads as zeros or noise',
    outcome: 'the same with `fsync: true`; the half-written end, never acknowledged, is moved to ' +
      '`store.torn`',
    remedy: 'start it again',
    tests: [['packages/journal/test/recover.test.ts', 'pages of the last group'], [campaign, 'cutPower']]
  },
  {
    fault: 'the disk is full',
    outcome: 'writes are refused, reads go on, `/readyz` is 503; all ends by itself, nothing is lost',
    remedy: 'make room',
    tests: [[`${here}/durability/full-disk.test.ts`, 'a full disk']]
  },
  {
    fault: 'a write or a sync fails (`EIO`)',
    outcome: 'the same; behind a failed sync, a new file is begun',
    remedy: 'check the disk',
    tests: [[disk, 'the Nth write or sync fails'], [campaign, 'const failures']]
  },
  {
    fault: 'the disk takes a part of a write',
    outcome: 'the rest follows, or the part is taken out again and the write refused',
    remedy: 'none is needed',
    tests: [[disk, 'a write that is taken in part']]
  },
  {
    fault: 'the directory is read-only, or of another user',
    outcome: 'the start rejects',
    remedy: 'mount it for writing; give it to the user of the service',
    tests: [[folder, 'a directory that is read-only'], [folder, 'a directory of another user']]
  },
  {
    fault: 'the directory is removed, emptied or replaced under a running service',
    outcome: 'writes are refused until a restart, reads go on, nothing is written there',
    remedy: 'stop the service, bring the directory back from a backup',
    tests: [[folder, 'a directory that is removed under a running server']]
  },
  {
    fault: 'the directory was emptied while the service was stopped, but for `store.mark`',
    outcome: 'the start rejects',
    remedy: 'bring it back from a backup',
    tests: [[folder, 'a directory that has been emptied']]
  },
  {
    fault: 'another process has the directory, or another store of the same process',
    outcome: 'the start rejects at once; a process that is frozen has it too',
    remedy: 'stop the other one',
    tests: [[folder, 'a directory that another process has'], [folder, 'two stores of one process']]
  },
  {
    fault: 'the process that had the directory is dead',
    outcome: 'the next start takes it at once',
    remedy: 'none is needed',
    tests: [[folder, 'a dead one']]
  },
  {
    fault: '`store.lock` is removed by hand',
    outcome: 'it is taken again; where another process has come first, that one alone writes',
    remedy: 'stop one of the two; never remove it',
    tests: [[folder, 'a lock that was removed by hand']]
  },
  {
    fault: 'a changed byte, or a cut, in any file and any place',
    outcome: 'everything is there, or the start rejects with the file and has changed nothing',
    remedy: 'check the disk, bring the file back from a backup',
    tests: [[bytes, 'each byte of each file']]
  },
  {
    fault: 'a file is missing: `store.json`, a segment, the newest segment',
    outcome: 'the start rejects',
    remedy: 'bring it back from a backup',
    tests: [[bytes, 'is gone'], [`${here}/file-log.test.ts`, 'never means less in silence']]
  },
  {
    fault: 'a snapshot is missing or damaged',
    outcome: 'the older one and the log give everything, and a notice tells it; else the start rejects',
    remedy: 'check the disk; bring it back from a backup',
    tests: [[`${here}/file-log.test.ts`, 'a start from damaged snapshots']]
  },
  {
    fault: '`store.mark` is missing or damaged',
    outcome: 'everything is there',
    remedy: 'none is needed',
    tests: [[bytes, 'store.mark']]
  },
  {
    fault: 'a directory, a link or a pipe stands in the place of a file',
    outcome: 'the start rejects, and does not wait for the pipe',
    remedy: 'move it away, bring the file back from a backup',
    tests: [[folder, 'has what is no file']]
  },
  {
    fault: 'files of a newer format',
    outcome: 'the start rejects',
    remedy: 'run the newer version',
    tests: [[`${here}/file-log.test.ts`, 'a newer format']]
  },
  {
    fault: 'modes were widened',
    outcome: 'the next start sets 0700 and 0600 again',
    remedy: 'none is needed',
    tests: [[folder, 'modes that others have widened']]
  },
  {
    fault: 'the clock jumps, back or forward, also over a restart',
    outcome: 'order, versions and revisions hold; times are the clock\'s; records with a `ttl` end by it, ' +
      'and do not come back',
    remedy: 'set the clock; look at records with a `ttl`',
    tests: [[`${here}/durability/restarts.test.ts`, 'a clock that jumps']]
  },
  {
    fault: 'the program defines its buckets in another order',
    outcome: 'the state is the same, without a commit',
    remedy: 'none is needed',
    tests: [[`${here}/durability/restarts.test.ts`, 'defined in another order']]
  },
  {
    fault: 'the thread that writes the log dies',
    outcome: 'writes that wait are refused, and all others until a restart',
    remedy: 'start it again; look for what has ended it (memory)',
    tests: [['packages/journal/test/thread.test.ts', 'a thread that dies']]
  }
]

/** Returns the table as the document has it. */
export function faultTable (): string {
  const lines = faultRows.map(({ fault, outcome, remedy }) => `| ${fault} | ${outcome} | ${remedy} |`)
  return ['| fault | outcome | remedy |', '|---|---|---|', ...lines].join('\n')
}
