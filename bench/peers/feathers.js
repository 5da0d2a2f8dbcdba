// Feathers 5 over its Socket.IO transport: services of the application's own, whose events go to the channel
// of the list. A bucket that is no list is not published. The transport is WebSocket alone, as for Socket.IO.
import { createServer } from 'node:http'
import { feathers } from '@feathersjs/feathers'
import socketio from '@feathersjs/socketio'
import { get, insert, update } from '../../dist/bench/servers/bare-records.js'
import { reportTo } from '../../dist/bench/servers/control.js'
import { LISTS, listName } from '../../dist/bench/workload/records.js'

class Records {
  constructor (bucket) {
    this.bucket = bucket
  }

  async get (key) {
    return get(this.bucket, key)
  }

  async create (data) {
    return insert(this.bucket, data)
  }

  async patch (key, data) {
    return update(this.bucket, key, data)
  }
}

class Watches {
  async create ({ list }, { connection }) {
    app.channel(list).join(connection)
    return { list }
  }
}

const app = feathers()
app.configure(socketio({ transports: ['websocket'], serveClient: false }))
app.use('users', new Records('users'))
app.use('watches', new Watches())
for (const list of LISTS.map(listName)) {
  app.use(list, new Records(list))
  app.service(list).publish('patched', () => app.channel(list))
}

const http = createServer()
await app.setup(http)
http.listen(0, '127.0.0.1', () => { reportTo(http.address().port) })
