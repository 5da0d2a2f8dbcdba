import type { Difference } from './difference.js'

/** Differences that named tests show: histories of single operations do not come upon them. */
export const otherDifferences: readonly Difference[] = [
  {
    name: 'two writers',
    before: 'a transaction over two buckets that is refused takes back an acknowledged update of another ' +
      'writer; readers see half of it',
    now: 'a commit is one step',
    why: 'what was acknowledged stays'
  },
  {
    name: 'parameters of a query as data that are not given',
    before: 'take their operator out of the filter, or match records without the field',
    now: '`FilterError` that names the parameter',
    why: 'a filter never lets more through because something is missing'
  },
  {
    name: 'subscriptions',
    before: 'one run for each changed record, which may overlap; `clear`, definitions and restores ' +
      'are not told',
    now: 'one run for each commit at most, and for every commit',
    why: 'a result that is shown is the present one'
  },
  {
    name: 'numbers of a refused `insertMany`',
    before: 'are given again, and so may be numbers that a function of the definition has seen',
    now: 'are given again only where the definition has no functions',
    why: 'a number that was seen is never given twice'
  },
  {
    name: 'migrations',
    before: 'drop the `validate` of the bucket',
    now: 'keep it',
    why: 'a migration changes what it names'
  },
  {
    name: 'a key of type object or array, or none at all',
    before: 'is taken; the record is found by the same object only, or stands under `undefined`',
    now: 'is refused',
    why: 'such a record cannot be found again'
  },
  {
    name: 'exports of the kernel',
    before: '`createBucketBehavior`, `IndexManager`, `RefManager`, `StorePersistence`, `TtlManager`, ' +
      '`QueryContextImpl`, `QueryManager`, `WriteBuffer`, `BucketWriteBuffer` and their message types',
    now: 'gone',
    why: 'they are made of processes that this store does not have'
  }
]
