import { setImmediate as nextTurn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { BucketDefinition } from '@hamicek/noex-store'
import type { TestClient } from '../../support/client.js'
import { idsOf } from '../../support/data-operations.js'
import { serveBuckets, type ServedClient } from '../../support/service.js'

t.test('G-F3 references', async t => {
  const library: Readonly<Record<string, BucketDefinition>> = {
    authors: { key: 'id', schema: { id: { type: 'string' } } },
    books: {
      key: 'id',
      schema: {
        id: { type: 'string' },
        // Before the cascade, so that a book whose editor is its author is first to be changed and then to be
        // deleted.
        editor: { type: 'string', ref: 'authors', onDelete: 'set_null' },
        author: { type: 'string', ref: 'authors', onDelete: 'cascade' }
      }
    },
    loans: { key: 'id', schema: { id: { type: 'string' }, book: { type: 'string', ref: 'books' } } },
    folders: {
      key: 'id',
      schema: {
        id: { type: 'string' },
        parent: { type: 'string', ref: 'folders', onDelete: 'cascade' },
        link: { type: 'string', ref: 'folders', onDelete: 'set_null' }
      }
    }
  }

  const withLibrary = async (t: Test): Promise<ServedClient> => {
    const setting = await serveBuckets(t, library)
    await setting.client.ask('store.insertMany', {
      bucket: 'authors',
      data: [{ id: 'ann' }, { id: 'bob' }, { id: 'cid' }]
    })
    await setting.client.ask('store.insertMany', {
      bucket: 'books',
      data: [
        { id: 'b1', author: 'ann', editor: 'ann' },
        { id: 'b2', author: 'ann', editor: 'bob' },
        { id: 'b3', author: 'bob', editor: 'cid' },
        { id: 'b4' }
      ]
    })
    return setting
  }
  const left = async (client: TestClient, bucket: string) => idsOf(await client.ask('store.all', { bucket }))

  t.test('A dangling reference is refused', async t => {
    const { client } = await withLibrary(t)
    const dangling = {
      code: 'VALIDATION_ERROR',
      details: { bucket: 'books', field: 'author', target: 'authors', key: 'unknown' }
    }
    t.match(
      await client.request('store.insert', { bucket: 'books', data: { id: 'x', author: 'unknown' } }),
      dangling
    )
    t.match(
      await client.request('store.insertMany', {
        bucket: 'books',
        data: [{ id: 'x' }, { id: 'y', author: 'unknown' }]
      }),
      dangling
    )
    t.match(
      await client.request('store.upsert', { bucket: 'books', data: { id: 'x', author: 'unknown' } }),
      dangling
    )
    t.match(
      await client.request('store.update', { bucket: 'books', key: 'b4', data: { author: 'unknown' } }),
      dangling
    )
    t.match(
      await client.request('store.updateMany', { bucket: 'books', filter: {}, data: { author: 'unknown' } }),
      dangling
    )
    t.match(
      await client.request('store.transaction', {
        operations: [{ op: 'insert', bucket: 'books', data: { id: 'x', author: 'unknown' } }]
      }),
      dangling
    )
    t.equal(
      await client.code('store.insert', { bucket: 'books', data: { id: 'x', author: { $exists: true } } }),
      'VALIDATION_ERROR'
    )
    t.match(
      await client.ask('store.insert', { bucket: 'books', data: { id: 'x', author: null } }),
      { author: null },
      'null refers to nothing'
    )
  })

  t.test('restrict keeps the record', async t => {
    const { client } = await withLibrary(t)
    await client.ask('store.insert', { bucket: 'loans', data: { id: 'l', book: 'b1' } })
    const held = { code: 'CONFLICT', details: { bucket: 'loans', field: 'book', target: 'books', key: 'b1' } }
    t.match(await client.request('store.delete', { bucket: 'books', key: 'b1' }), held)
    t.match(await client.request('store.deleteMany', { bucket: 'books', filter: {} }), held)
    t.match(
      await client.request('store.delete', { bucket: 'authors', key: 'ann' }),
      held,
      'also at the end of a cascade'
    )
    t.same(await left(client, 'books'), ['b1', 'b2', 'b3', 'b4'], 'nothing was deleted')
    t.same(await left(client, 'authors'), ['ann', 'bob', 'cid'])
    await client.ask('store.delete', { bucket: 'loans', key: 'l' })
    t.same(await client.ask('store.delete', { bucket: 'books', key: 'b1' }), { deleted: true })
  })

  t.test('cascade and set_null', async t => {
    const { client } = await withLibrary(t)
    t.same(await client.ask('store.delete', { bucket: 'authors', key: 'ann' }), { deleted: true })
    t.same(await left(client, 'books'), ['b3', 'b4'])
    await client.ask('store.delete', { bucket: 'authors', key: 'cid' })
    t.match(await client.ask('store.get', { bucket: 'books', key: 'b3' }), {
      author: 'bob',
      editor: null,
      _version: 2
    })
    t.equal(await client.ask('store.deleteMany', { bucket: 'authors', filter: {} }), 1)
    t.same(await left(client, 'books'), ['b4'])
  })

  t.test('A circle of references ends', async t => {
    const { client } = await withLibrary(t)
    await client.ask('store.insertMany', { bucket: 'folders', data: [{ id: 'a' }, { id: 'z' }] })
    await client.ask('store.insertMany', {
      bucket: 'folders',
      data: [
        { id: 'b', parent: 'a' },
        { id: 'c', parent: 'a', link: 'a' },
        { id: 'y', link: 'a' }
      ]
    })
    await client.ask('store.update', { bucket: 'folders', key: 'a', data: { parent: 'b', link: 'a' } })
    await client.ask('store.delete', { bucket: 'folders', key: 'a' })
    t.match(await client.ask('store.all', { bucket: 'folders' }), [{ id: 'z' }, { id: 'y', link: null }])
    await client.ask('store.update', { bucket: 'folders', key: 'z', data: { link: 'y' } })
    t.equal(
      await client.ask('store.deleteMany', { bucket: 'folders', filter: {} }),
      2,
      'records that refer to each other are deleted together'
    )
  })

  t.test('A key that looks like a filter changes nothing', async t => {
    const { client } = await withLibrary(t)
    for (const key of [{ $exists: true }, { $neq: 1 }, { $foo: 1 }, { $in: 5 }, {}, []]) {
      t.same(
        await client.ask('store.delete', { bucket: 'authors', key }),
        { deleted: true },
        JSON.stringify(key)
      )
      t.same(
        await client.ask('store.transaction', { operations: [{ op: 'delete', bucket: 'authors', key }] }),
        { results: [{ index: 0, data: { deleted: true } }] }
      )
    }
    t.same(await left(client, 'books'), ['b1', 'b2', 'b3', 'b4'])
    t.match(await client.ask('store.get', { bucket: 'books', key: 'b1' }), { editor: 'ann', _version: 1 })
  })

  t.test('G-F6 what transactions wrote counts', async t => {
    const { client } = await withLibrary(t)
    await client.ask('store.transaction', {
      operations: [{ op: 'insert', bucket: 'loans', data: { id: 'l', book: 'b4' } }]
    })
    t.equal(
      await client.code('store.delete', { bucket: 'books', key: 'b4' }),
      'CONFLICT',
      'a record that a transaction inserted protects'
    )
    await client.ask('store.transaction', {
      operations: [{ op: 'update', bucket: 'loans', key: 'l', data: { book: 'b3' } }]
    })
    t.equal(
      await client.code('store.delete', { bucket: 'books', key: 'b3' }),
      'CONFLICT',
      'so does one that a transaction changed'
    )
    t.same(
      await client.ask('store.delete', { bucket: 'books', key: 'b4' }),
      { deleted: true },
      'and what it referred to is free'
    )
    await client.ask('store.insert', { bucket: 'loans', data: { id: 'm', book: 'b3' } })
    await client.ask('store.transaction', {
      operations: [
        { op: 'delete', bucket: 'loans', key: 'l' },
        { op: 'deleteMany', bucket: 'loans', filter: { id: 'm' } }
      ]
    })
    t.same(
      await client.ask('store.delete', { bucket: 'books', key: 'b3' }),
      { deleted: true },
      'one that a transaction deleted does not'
    )
  })

  t.test('clear removes the records even when others refer to them', async t => {
    const { client } = await withLibrary(t)
    await client.ask('store.insert', { bucket: 'loans', data: { id: 'l', book: 'b1' } })
    t.same(await client.ask('store.clear', { bucket: 'books' }), { cleared: true })
    t.equal(await client.ask('store.count', { bucket: 'books' }), 0)
    t.match(await client.ask('store.get', { bucket: 'loans', key: 'l' }), { book: 'b1' })
  })

  t.test('A delete outlasts other writers of the record', async t => {
    const { client, store } = await withLibrary(t)
    const authors = store.bucket('authors')
    // It is one step of the store, so there is always a moment for it.
    const writing = (async () => {
      for (let n = 0; await authors.get('bob') !== undefined; n++) {
        await authors.update('bob', { n })
        await nextTurn()
      }
    })()
    t.same(await client.ask('store.delete', { bucket: 'authors', key: 'bob' }), { deleted: true })
    await writing
    t.same(await left(client, 'authors'), ['ann', 'cid'])
  })
})
