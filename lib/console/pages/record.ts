import type { NoexClientError } from '../../client/index.js'
import { button, el } from '../dom.js'
import { ask, confirm, jsonField } from '../dialogs.js'
import { time, value } from '../format.js'
import type { Context } from '../page.js'

/** The key of a record. */
export type BucketKey = string | number | boolean
/** A record as the server sends it. */
export type StoredRecord = Readonly<Record<string, unknown>>

/** Opens a new record of a bucket to be written. */
export function newRecord (
  { client, notify }: Context, bucket: string, key: string, onDone: () => void
): void {
  const content = jsonField('Record', {}, `JSON. The key is ${key}.`)
  ask({
    title: `New record of ${bucket}`,
    content: [content.node],
    action: 'Insert',
    isWide: true,
    onAction: async () => {
      const data = objectOf(content.read())
      const record = await client.request<StoredRecord>('store.insert', { bucket, data })
      notify(`${value(record[key])} has been inserted.`)
      onDone()
    }
  })
}

/**
 * Opens a record to be changed or deleted. What another has changed meanwhile is not written over: the
 * record is shown anew beside what was typed.
 */
export function editRecord (
  { client, notify }: Context, bucket: string, key: string, given: StoredRecord, onDone: () => void
): void {
  let record = given
  const id = record[key]
  const hint = 'JSON. Fields that are left out stay as they are.'
  const content = jsonField('Fields', fieldsOf(record, key), hint)
  const state = el('p', { class: 'quiet' }, versionOf(record))
  const meanwhile = el('div')
  const remove = button('Delete…', () => {
    close()
    confirm(`Delete ${value(id)}?`, `The record of ${bucket} is gone for good.`, 'Delete', async () => {
      await client.request('store.delete', { bucket, key: id, expectedVersion: record['_version'] })
      notify(`${value(id)} has been deleted.`)
      onDone()
    })
  }, { class: 'danger' })
  const close = ask({
    title: `${bucket} ${value(id)}`,
    content: [state, content.node, meanwhile],
    action: 'Save',
    isWide: true,
    others: [remove],
    onAction: async () => {
      const data = changesIn(objectOf(content.read()), record)
      if (Object.keys(data).length === 0) return
      try {
        await client.request('store.update', { bucket, key: id, data, expectedVersion: record['_version'] })
      } catch (error) {
        if ((error as NoexClientError).code === 'CONFLICT') await showMeanwhile()
        throw error
      }
      notify(`${value(id)} has been saved.`)
      onDone()
    }
  })

  /** Shows what the record is now; the next attempt to save counts from there. */
  const showMeanwhile = async (): Promise<void> => {
    const now = await client.request<StoredRecord | null>('store.get', { bucket, key: id })
    if (now === null || now['_version'] === record['_version']) return
    record = now
    state.textContent = versionOf(now)
    meanwhile.replaceChildren(
      el('p', {}, 'It is now as follows; to save again writes your fields over these:'),
      el('pre', { class: 'json' }, JSON.stringify(fieldsOf(now, key), undefined, 2)))
  }
}

/** Returns the fields that can be changed. */
function fieldsOf (record: StoredRecord, key: string): StoredRecord {
  return Object.fromEntries(Object.entries(record).filter(([name]) => name !== key && !name.startsWith('_')))
}

/** Returns the fields that differ from those of the record. */
function changesIn (fields: StoredRecord, record: StoredRecord): StoredRecord {
  return Object.fromEntries(Object.entries(fields).filter(([name, field]) =>
    JSON.stringify(field) !== JSON.stringify(record[name])))
}

function objectOf (data: unknown): StoredRecord {
  if (typeof data === 'object' && data !== null && !Array.isArray(data)) return data as StoredRecord
  throw new TypeError('The fields must be a JSON object, like {"name":"lamp"}.')
}

function versionOf (record: StoredRecord): string {
  return `Version ${value(record['_version'])}, changed ${time(record['_updatedAt'])}`
}
