import { FrameRing } from '../driver/frame-ring.js'
import { BOARD_ROWS, inputOf, keyOf, USERS } from './records.js'

/** The requests that a load is made of: request `i` has the id `i + 1`. */
export type RequestName = 'get' | 'insert' | 'update' | 'emit'

const makers: Readonly<Record<RequestName, (id: number) => object>> = {
  get: id => ({ id, type: 'store.get', bucket: 'users', key: keyOf(id % USERS) }),
  insert: id => ({ id, type: 'store.insert', bucket: 'users', data: inputOf(id) }),
  update: id => ({
    id,
    type: 'store.update',
    bucket: 'users',
    key: keyOf(id % USERS),
    data: { score: id * 7, active: id % 3 === 0 }
  }),
  emit: id => ({
    id,
    type: 'rules.emit',
    topic: 'user.seen',
    data: { id: keyOf(id % USERS), score: id * 7, active: id % 3 === 0 }
  })
}

/** A ring of `USERS` different requests, one for each record. */
export function requests (name: RequestName): FrameRing {
  return new FrameRing(Array.from({ length: USERS }, (_, i) => JSON.stringify(makers[name](i + 1))))
}

/** Changes one row of the board after the other, each time to another score. */
export function boardUpdates (): FrameRing {
  return new FrameRing(Array.from({ length: 100 }, (_, i) => {
    const id = i + 1
    return JSON.stringify({
      id,
      type: 'store.update',
      bucket: 'board',
      key: keyOf(id % BOARD_ROWS),
      data: { score: id * 7 }
    })
  }))
}

/** Subscribes to the live query that returns the whole board. */
export const subscribeToBoard = JSON.stringify({ id: 1, type: 'store.subscribe', query: 'board' })

/** Subscribes to the events that the load emits. */
export const hear = new FrameRing([JSON.stringify({ id: 1, type: 'rules.subscribe', pattern: 'user.*' })])
