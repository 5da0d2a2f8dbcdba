// mercurius 16 with its compiler of queries (`jit`) and its publisher in memory: variables beside one
// constant text for each operation, which selects all fields. Requests are posted over HTTP without waiting
// for the answer to the one before, which costs less than over a WebSocket (`fullWsTransport`, for the one
// client that changes what others watch); subscriptions use the subprotocol graphql-transport-ws.
import Fastify from 'fastify'
import mercurius from 'mercurius'
import { get, insert, update } from '../../dist/bench/servers/bare-records.js'
import { reportTo } from '../../dist/bench/servers/control.js'

const schema = `
  type Row {
    id: ID!
    name: String!
    email: String!
    score: Float!
    active: Boolean!
    _version: Int!
    _createdAt: Float!
    _updatedAt: Float!
  }
  input NewRow { name: String!, email: String!, score: Float!, active: Boolean! }
  input Change { score: Float, active: Boolean }
  type Query { get(bucket: String!, key: ID!): Row }
  type Mutation {
    insert(bucket: String!, data: NewRow!): Row!
    update(bucket: String!, key: ID!, data: Change!): Row!
  }
  type Subscription { updated(list: String!): Row! }
`

const resolvers = {
  Query: { get: (_, { bucket, key }) => get(bucket, key) },
  Mutation: {
    insert: (_, { bucket, data }) => insert(bucket, data),
    update: (_, { bucket, key, data }, { pubsub }) => {
      const updated = update(bucket, key, data)
      if (bucket !== 'users') pubsub.publish({ topic: bucket, payload: { updated } })
      return updated
    }
  },
  Subscription: {
    updated: { subscribe: async (_, { list }, { pubsub }) => await pubsub.subscribe(list) }
  }
}

const app = Fastify({ logger: false })
await app.register(mercurius, {
  schema, resolvers, jit: 1, path: '/', subscription: { fullWsTransport: true }
})
await app.listen({ port: 0, host: '127.0.0.1' })
reportTo(app.server.address().port)
