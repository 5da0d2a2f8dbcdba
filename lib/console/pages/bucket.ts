import { button, el, field, link, setText, verbatim } from '../dom.js'
import { readJson } from '../dialogs.js'
import { number, value } from '../format.js'
import { createFrame } from '../frame.js'
import type { Context, View } from '../page.js'
import { explain } from '../problem.js'
import { createTable, type Column, type Table } from '../table.js'
import { editRecord, newRecord, type BucketKey, type StoredRecord } from './record.js'

/** Records of a page. */
const PAGE = 100
/** Fields that have a column of their own. */
const MAX_COLUMNS = 8

interface RecordPage {
  readonly records: readonly StoredRecord[]
  readonly hasMore: boolean
  readonly nextCursor?: BucketKey
}

interface Definition {
  readonly config: { readonly key: string, readonly schema?: Readonly<Record<string, unknown>> }
}

/** Shows the records of a bucket, page by page, all or those that a filter lets through. */
export function openBucket (context: Context, bucket: string): View {
  const { client } = context
  let definition: Definition['config'] | undefined
  let table: Table<StoredRecord> | undefined
  let columnsOf = ''
  let isClosed = false
  /** The cursors of the pages up to the one that is shown. */
  let cursors: Array<BucketKey | undefined> = [undefined]
  let next: BucketKey | undefined

  const filter = el('input', {
    class: 'code', placeholder: '{"status":"open","total":{"$gte":100}}', ...verbatim
  })
  const place = el('span', { class: 'quiet', role: 'status' })
  const host = el('div')
  const previous = button('Previous', () => {
    cursors.pop()
    refresh()
  })
  const following = button('Next', () => {
    cursors.push(next)
    refresh()
  })
  const add = button('New record…', () => {
    newRecord(context, bucket, keyField(), refresh)
  }, { class: 'primary' })
  const frame = createFrame(bucket, 'The records of this bucket', [add],
    el('p', {}, link(['data'], {}, '← All buckets')),
    el('form', {
      class: 'filters',
      onsubmit (event: SubmitEvent) {
        event.preventDefault()
        cursors = [undefined]
        refresh()
      }
    }, field('Filter', filter), el('button', { type: 'submit' }, 'Show'),
    button('Refresh', () => { refresh() })),
    host, el('div', { class: 'row' }, previous, following, place))

  const keyField = (): string => definition?.key ?? 'id'

  const load = async (): Promise<void> => {
    const given: unknown = readJson(filter.value, 'The filter')
    const after = cursors.at(-1)
    const page = await client.request<RecordPage>('store.paginate', {
      bucket,
      limit: PAGE,
      ...(after !== undefined && { after }),
      ...(given !== undefined && { filter: given })
    })
    if (isClosed) return
    frame.recover()
    next = page.hasMore ? page.nextCursor : undefined
    show(page.records)
    previous.disabled = cursors.length === 1
    following.disabled = next === undefined
    const first = (cursors.length - 1) * PAGE
    const { length } = page.records
    setText(place, length === 0 ? '' : `${number(first + 1)} to ${number(first + length)}`)
  }

  /** Shows records in columns of their fields: those of the schema, else those that the records have. */
  const show = (records: readonly StoredRecord[]): void => {
    const key = keyField()
    const known = Object.keys(definition?.schema ?? {})
    const names = known.length > 0 ? known : [...new Set(records.flatMap(record => Object.keys(record)))]
    const fields = names.filter(name => name !== key && !name.startsWith('_')).slice(0, MAX_COLUMNS)
    const signature = JSON.stringify([key, fields])
    if (table === undefined || signature !== columnsOf) {
      columnsOf = signature
      table = createTable<StoredRecord>({
        label: `Records of ${bucket}`,
        columns: columns(key, fields),
        keyOf: record => JSON.stringify(record[key]),
        onOpen: record => { editRecord(context, bucket, key, record, refresh) },
        empty: ''
      })
      host.replaceChildren(table.node)
    }
    table.show(records, filter.value.trim() === '' ? 'The bucket is empty.' : 'No record fits the filter.')
  }

  const refresh = (): void => {
    load().catch((error: unknown) => {
      if (error instanceof SyntaxError) setText(place, error.message)
      else frame.fail(error)
      if ((error as { readonly code?: string }).code === 'DISCONNECTED') setText(place, explain(error))
    })
  }
  // Without the right to see the definition the records say what they have.
  client.request<Definition>('store.getBucketSchema', { name: bucket })
    .then(({ config }) => { definition = config }, () => {})
    .finally(refresh)
  return { node: frame.node, close: () => { isClosed = true } }
}

function columns (key: string, fields: readonly string[]): Array<Column<StoredRecord>> {
  return [
    { label: key, text: record => value(record[key]) },
    ...fields.map((name, index): Column<StoredRecord> => ({
      label: name, text: record => value(record[name], 80), isMinor: index > 1
    })),
    {
      label: 'version',
      text: record => number(record['_version']),
      isNumber: true,
      isMinor: true,
      width: '5rem'
    }
  ]
}
