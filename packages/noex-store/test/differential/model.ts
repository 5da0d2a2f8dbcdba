import { SchemaValidator, type BucketDefinition, type StoreRecord } from 'registry-noex-store'
import { onlyRecordsOfJson, Refused, withBadDates } from './model-values.js'
import { comparable } from './reference.js'
import type { World } from './world.js'

type Fields = Readonly<Record<string, unknown>>

/** One key that had or gets a record. */
export interface Slot {
  readonly key: unknown
  readonly before: StoreRecord | undefined
  after: StoreRecord | undefined
  /** Whether the operation has deleted it, or taken a reference from it. */
  hasLost?: true
}

/** A bucket of the model: a plain list in the order of insertion. */
export class Table {
  readonly name: string
  readonly definition: BucketDefinition
  readonly slots: Slot[]
  readonly written = new Set<Slot>()
  counter: number
  readonly #graves: ReadonlyMap<unknown, number>
  readonly #validator: SchemaValidator

  constructor (name: string, { buckets }: World) {
    const bucket = buckets.get(name)
    if (bucket === undefined) throw new Refused([`BucketNotDefinedError: Bucket "${name}" is not defined`])
    const { definition, records, graves, counter } = bucket
    this.name = name
    this.definition = definition
    this.counter = counter
    this.#graves = graves
    this.slots = records.map(record => ({ key: this.keyOf(record['id']), before: record, after: record }))
    const { schema, key, validate } = definition
    this.#validator = new SchemaValidator(name, schema, key, validate as never)
  }

  get records (): StoreRecord[] {
    return this.slots.flatMap(({ after }) => after ?? [])
  }

  keyOf (key: unknown): unknown {
    return comparable(this.definition, 'id', key)
  }

  slot (key: unknown): Slot | undefined {
    const wanted = this.keyOf(key)
    return this.slots.find(slot => slot.key === wanted)
  }

  record (key: unknown): StoreRecord | undefined {
    return this.slot(key)?.after
  }

  write (slot: Slot, after: StoreRecord | undefined): void {
    slot.after = after
    if (after === undefined) slot.hasLost = true
    this.written.add(slot)
  }

  /** Makes a record and puts it in; `given` are the keys of its batch. */
  insert (input: Fields, given: readonly unknown[], now: number): StoreRecord {
    this.#takeNumber(input, given)
    onlyRecordsOfJson(this.name, input)
    const made = this.#make(input)
    const slot = this.slot(made['id'])
    if (slot?.after !== undefined) throw new Refused([this.#taken(slot, made['id'])])
    const version = (slot?.before?._version ?? this.#graves.get(made['id']) ?? 0) + 1
    const record: StoreRecord = { ...made, _version: version, ...this.#expiry(input, now) }
    if (slot !== undefined) {
      this.write(slot, record)
      return record
    }
    const added: Slot = { key: this.keyOf(made['id']), before: undefined, after: record }
    this.slots.push(added)
    this.write(added, record)
    return record
  }

  #make (input: Fields): StoreRecord {
    try {
      return withBadDates(this.definition, input, fields =>
        this.#validator.prepareInsert({ ...fields }, this.counter))
    } catch (error) {
      const slot = this.slot(input['id'])
      // A taken key is found while a validator is waited for.
      if (slot?.after === undefined || !(error instanceof Refused)) throw error
      throw new Refused([...error.errors, this.#taken(slot, input['id'])])
    }
  }

  update (slot: Slot, changes: Fields): StoreRecord {
    const before = slot.after as StoreRecord
    onlyRecordsOfJson(this.name, this.#changing(changes, before))
    const after = withBadDates(this.definition, changes, fields =>
      this.#validator.prepareUpdate(before, { ...fields }), before)
    this.write(slot, after)
    return after
  }

  #taken (slot: Slot, key: unknown): string {
    return this.written.has(slot)
      ? `Error: Duplicate key "${String(key)}" in batch for bucket "${this.name}"`
      : `Error: Record with key "${String(key)}" already exists in bucket "${this.name}"`
  }

  #changing (changes: Fields, before: StoreRecord): Fields {
    const { schema } = this.definition
    return Object.fromEntries(Object.entries(changes).filter(([name, value]) =>
      name !== 'id' && schema[name]?.generated === undefined && value !== before[name]))
  }

  #takeNumber (input: Fields, given: readonly unknown[]): void {
    const { schema } = this.definition
    if (!Object.values(schema).some(({ generated }) => generated === 'autoincrement')) return
    this.counter++
    if (input['id'] !== undefined || schema['id']?.generated !== 'autoincrement') return
    const isTaken = (number: number): boolean => given.includes(number) || this.slot(number) !== undefined
    while (isTaken(this.counter)) this.counter++
  }

  #expiry (input: Fields, now: number): Fields {
    const { ttl } = this.definition
    if (ttl === undefined || input['_expiresAt'] !== undefined) return {}
    return { _expiresAt: now + (ttl === '1s' ? 1_000 : ttl as number) }
  }
}

/** The tables of one operation, and what its writes cause. */
export class Tables {
  readonly #world: World
  readonly #tables = new Map<string, Table>()
  readonly now: number

  constructor (world: World, now: number) {
    this.#world = world
    this.now = now
    for (const name of world.buckets.keys()) this.#tables.set(name, new Table(name, world))
  }

  get all (): Table[] {
    return [...this.#tables.values()]
  }

  table (name: string): Table {
    return this.#tables.get(name) ?? new Table(name, this.#world)
  }

  /** Deletes a record, and what refers to it as its fields say. */
  delete (table: Table, slot: Slot): void {
    const key = slot.key
    table.write(slot, undefined)
    for (const source of this.all) {
      for (const [field, { ref, onDelete = 'restrict' }] of Object.entries(source.definition.schema)) {
        if (ref !== table.name || onDelete === 'restrict') continue
        for (const from of source.slots) {
          if (from.after === undefined || table.keyOf(from.after[field]) !== key) continue
          if (onDelete === 'cascade') this.delete(source, from)
          else {
            source.update(from, { [field]: null })
            from.hasLost = true
          }
        }
      }
    }
  }

  /** Checks the state that all writes lead to, and makes room in full buckets. */
  commit (): void {
    const errors = this.#wrongReferences()
    if (errors.length > 0) throw new Refused(errors)
    for (const table of this.all) evict(table)
    const taken = this.all.flatMap(takenValues)
    if (taken.length > 0) throw new Refused(taken)
  }

  #wrongReferences (): string[] {
    const errors: string[] = []
    for (const source of this.all) {
      for (const [field, { ref, onDelete = 'restrict' }] of Object.entries(source.definition.schema)) {
        if (ref === undefined) continue
        const target = this.#tables.get(ref)
        for (const slot of source.slots) {
          const key = slot.after?.[field]
          if (key === undefined || key === null || target?.record(key) !== undefined) continue
          const isNew = source.written.has(slot) && (slot.hasLost === true || slot.before?.[field] !== key)
          const gone = target?.slot(key)
          const isDeleted = gone?.before !== undefined
          if (isDeleted && (isNew || onDelete === 'restrict')) {
            errors.push(restricted(ref, gone.before?.['id'], source.name, slot.after?.['id'], field))
          }
          if (!isNew) continue
          errors.push(target === undefined
            ? `BucketNotDefinedError: Bucket "${ref}" is not defined`
            : missing(source.name, field, ref, key))
        }
      }
    }
    return errors
  }
}

function takenValues ({ name, definition, slots, written }: Table): string[] {
  return Object.entries(definition.schema).filter(([, { unique }]) => unique === true).flatMap(([field]) => {
    const valueOf = (record: StoreRecord | undefined): unknown =>
      record === undefined ? undefined : comparable(definition, field, record[field])
    return slots.filter(slot => {
      const value = valueOf(slot.after)
      if (value === undefined || value === null || !written.has(slot)) return false
      return valueOf(slot.before) !== value &&
        slots.some(other => other !== slot && valueOf(other.after) === value)
    }).map(({ after }) => `UniqueConstraintError: Unique constraint violation in bucket "${name}": ` +
      `field "${field}" already has value "${String(after?.[field])}"`)
  })
}

/** The oldest records go, those of the operation itself last, of these its inserts first. */
function evict ({ definition: { maxSize }, slots, written }: Table): void {
  if (maxSize === undefined) return
  const count = (which: 'before' | 'after'): number => slots.filter(slot => slot[which] !== undefined).length
  let surplus = count('after') - maxSize
  if (count('after') <= count('before')) return
  const isOld = (slot: Slot): boolean => !written.has(slot)
  const isInsert = (slot: Slot): boolean => written.has(slot) && slot.before === undefined
  for (const isNext of [isOld, isInsert, () => true]) {
    for (const slot of slots.filter(slot => slot.after !== undefined && isNext(slot))) {
      if (surplus-- <= 0) return
      slot.after = undefined
    }
  }
}

function missing (bucket: string, field: string, target: string, key: unknown): string {
  return `ReferentialIntegrityError: Foreign key violation in bucket "${bucket}": field "${field}" ` +
    `references bucket "${target}" with key "${String(key)}", but no such record exists`
}

function restricted (
  bucket: string, key: unknown, source: string, sourceKey: unknown, field: string
): string {
  return `ReferentialIntegrityError: Cannot delete from bucket "${bucket}" (key "${String(key)}"): ` +
    `referenced by bucket "${source}" (key "${String(sourceKey)}") via field "${field}"`
}
