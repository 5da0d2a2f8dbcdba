import { serveAudited } from './audit-server.js'

await serveAudited('block')
