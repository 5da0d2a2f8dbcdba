// Entry of the worker thread that computes keys, one job after the other. See password-workers.ts.
import { parentPort } from 'node:worker_threads'
import { deriveKey } from './password-key.js'
import type { KeyJob } from './password-workers.js'

parentPort?.on('message', ({ password, requests }: KeyJob) => {
  parentPort?.postMessage(requests.map(request => deriveKey(password, request)))
})
