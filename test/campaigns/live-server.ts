// A server of the campaign of live queries, with its store in a folder. Arguments: the folder, the port.
import { NoexServer } from '../../lib/index.js'
import { Store } from '../../lib/exports/store.js'
import { beginSession, defineCode, fill, fillIdentity, SECRET } from '../simulation/application.js'
import { applicationWrite, changeRights, changeStructure, isExpected } from '../simulation/operations.js'
import { Random } from '../simulation/random.js'
import { answerBy } from './child-program.js'

const [directory = '', port = ''] = process.argv.slice(2)
// Small files, so that kills meet snapshots and new segments too.
const durability = { directory, snapshotBytes: 262_144, segmentBytes: 65_536, onNotice: () => {} }
const store = await Store.start({ name: 'campaign', durability })
const isFirst = !store.hasBucket('items')
if (isFirst) await fill(store, new Random(1))
defineCode(store)
await NoexServer.start({
  store,
  port: Number(port),
  host: '127.0.0.1',
  auth: { builtIn: true, adminSecret: SECRET },
  backpressure: { maxBufferedBytes: 65_536, highWaterMark: 0.25, drainTimeoutMs: 2_000 }
})
if (isFirst) await fillIdentity(store)

const kinds = { application: applicationWrite, rights: changeRights, structure: changeStructure }

answerBy({
  beginSession: async ({ user, token }) => { await beginSession(store, user, token) },
  /** Does something that the application does, of a seed. */
  operate: async ({ kind, seed }: { readonly kind: keyof typeof kinds, readonly seed: number }) => {
    await kinds[kind](new Random(seed), store).catch((error: unknown) => {
      if (!isExpected(error)) throw error
    })
  },
  image: async () => {
    await store.whenDurable()
    return { epoch: store.epoch, image: store.image() }
  }
})
