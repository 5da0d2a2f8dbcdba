// Socket.IO 4 over its WebSocket transport alone: a request is an event with an acknowledgement, the watchers
// of a list are a room, and a push to it is encoded once for all of them. Nothing is compressed, which is its
// default.
import { createServer } from 'node:http'
import { Server } from 'socket.io'
import { get, insert, update } from '../../dist/bench/servers/bare-records.js'
import { reportTo } from '../../dist/bench/servers/control.js'

const http = createServer()
const io = new Server(http, { transports: ['websocket'], serveClient: false })

io.on('connection', socket => {
  socket.on('get', (bucket, key, reply) => { reply(get(bucket, key)) })
  socket.on('insert', (bucket, data, reply) => { reply(insert(bucket, data)) })
  socket.on('update', (bucket, key, data, reply) => {
    const row = update(bucket, key, data)
    reply(row)
    io.to(bucket).emit('updated', row)
  })
  socket.on('watch', (list, reply) => {
    socket.join(list)
    reply(list)
  })
})

http.listen(0, '127.0.0.1', () => { reportTo(http.address().port) })
