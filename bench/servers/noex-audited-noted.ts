import { serveDurable } from './durable-audit-server.js'

await serveDurable('noted')
