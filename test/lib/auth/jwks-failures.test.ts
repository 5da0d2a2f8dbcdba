import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { JwksError } from '../../../lib/auth/jwks.js'
import { FakeClock } from '../../support/fake-clock.js'
import {
  base, jwkOf, keyServer, ofAlice, remote, rsa, signed, unknownKid, validator
} from '../../support/tokens.js'

t.test('an endpoint that does not give keys', t => {
  /** Sends until the other side has enough. */
  function sendWithoutEnd (response: ServerResponse): void {
    const chunk = Buffer.alloc(65_536, ' ')
    const more = (): void => { while (!response.destroyed && response.write(chunk)); }
    response.on('drain', more)
    more()
  }

  const failures: Record<string, (response: ServerResponse) => void> = {
    'answers 500': response => { response.writeHead(500).end('{"keys":[]}') },
    'answers 404': response => { response.writeHead(404).end('not found') },
    'answers 204': response => { response.writeHead(204).end() },
    'answers 401 without end': response => {
      response.writeHead(401)
      sendWithoutEnd(response)
    },
    'closes the connection': response => { response.destroy() },
    'closes it within the answer': response => {
      response.writeHead(200, { 'content-length': 100 }).write('{"keys":[', () => { response.destroy() })
    },
    'sends nothing': response => { response.end() },
    'sends something else': response => { response.end('<html>') },
    'sends null': response => { response.end('null') },
    'sends no set of keys': response => { response.end('{"keys":{}}') },
    'sends keys that are none': response => { response.end('{"keys":[null]}') },
    'sends a set without keys': response => { response.end('{"keys":[]}') },
    'sends more than 1 MiB': response => { response.end(`{"keys":[{"kty":"RSA"}]}${' '.repeat(1_048_576)}`) },
    'sends more than 1 MiB when unpacked': response => {
      response
        .writeHead(200, { 'content-encoding': 'gzip' })
        .end(gzipSync(`{"keys":[{"kty":"RSA"}]}${' '.repeat(1_048_576)}`))
    },
    'sends without end': sendWithoutEnd
  }

  for (const [title, answer] of Object.entries(failures)) {
    t.test(`and ${title} is asked once in a cool-down, and the fault is not the token's`, async t => {
      const server = await keyServer(t, answer)
      const clock = new FakeClock()
      const validate = validator(remote(server), clock)
      const good = await signed(rsa.privateKey, { alg: 'RS256', kid: 'a' })
      await t.rejects(validate(good), {
        name: 'JwksError',
        message: `the keys at ${new URL(server.url).origin}/keys cannot be fetched`
      })
      clock.turn(29_999)
      const outcomes = await Promise.allSettled(
        Array.from({ length: 1_000 }, async (_, i) => await validate(i % 2 === 0 ? good : unknownKid(i)))
      )
      t.ok(outcomes.every(outcome => outcome.status === 'rejected' && outcome.reason instanceof JwksError))
      t.equal(server.asked, 1)
      clock.turn(1)
      const more = await Promise.allSettled(Array.from({ length: 100 }, async () => await validate(good)))
      t.ok(more.every(outcome => outcome.status === 'rejected' && outcome.reason instanceof JwksError))
      t.equal(server.asked, 2)

      server.answer = [await jwkOf(rsa.publicKey, 'a')]
      clock.turn(30_000)
      t.same(await validate(good), ofAlice)
      t.equal(clock.pending, 0, 'no timer is left')
    })
  }

  t.test('and takes more than 5 seconds is given up, before its answer or within', async t => {
    for (const start of [
      (_response: ServerResponse) => {},
      (response: ServerResponse) => {
        response.write('{"keys":[')
      }
    ]) {
      const server = await keyServer(t, start)
      const clock = new FakeClock()
      const validate = validator(remote(server), clock)
      const attempts = Promise.allSettled(
        Array.from({ length: 1_000 }, async (_, i) => await validate(unknownKid(i)))
      )
      let settled = 0
      const first = validate(unknownKid()).finally(() => { settled++ })
      await server.whenAsked(1)
      clock.turn(4_999)
      await new Promise(setImmediate)
      t.equal(settled, 0)
      clock.turn(1)
      await t.rejects(first, { name: 'JwksError', cause: { message: 'no whole answer within 5000 ms' } })
      t.ok((await attempts).every(outcome => outcome.status === 'rejected'))
      t.equal(server.asked, 1)
      clock.turn(24_999)
      await t.rejects(validate(unknownKid()), JwksError)
      t.equal(server.asked, 1)
    }
  })

  t.test('and takes longer than a short cool-down is not asked again meanwhile', async t => {
    const server = await keyServer(t, () => {})
    const clock = new FakeClock()
    const validate = validator(remote(server, { cooldownMs: 1_000 }), clock)
    const first = validate(unknownKid())
    await server.whenAsked(1)
    clock.turn(4_000)
    const second = validate(unknownKid())
    clock.turn(1_000)
    await t.rejects(first, JwksError)
    await t.rejects(second, JwksError)
    t.equal(server.asked, 1)
  })

  t.test('and sends without end is cut off, whether or not its answer is wanted', async t => {
    for (const status of [200, 500]) {
      let cut: Promise<unknown> = Promise.resolve()
      const server = await keyServer(t, response => {
        cut = once(response, 'close')
        response.writeHead(status)
        sendWithoutEnd(response)
      })
      await t.rejects(validator(remote(server))(unknownKid()), JwksError)
      await cut
      t.equal(server.asked, 1)
    }
  })

  t.test('and holds up a fetch does not hold up the tokens whose keys are known', async t => {
    const server = await keyServer(t, [await jwkOf(rsa.publicKey, 'a')])
    const clock = new FakeClock()
    const validate = validator(remote(server), clock)
    const good = await signed(rsa.privateKey, { alg: 'RS256', kid: 'a' })
    t.same(await validate(good), ofAlice)
    server.answer = () => {}
    clock.turn(30_000)
    const waiting = validate(unknownKid())
    await server.whenAsked(2)
    t.same(await validate(good), ofAlice)
    clock.turn(5_000)
    await t.rejects(waiting, JwksError)
  })

  t.test('and sends elsewhere is not followed', async t => {
    const elsewhere = await keyServer(t, [await jwkOf(rsa.publicKey, 'a')])
    for (const status of [301, 302, 303, 307, 308]) {
      const server = await keyServer(
        t,
        response => { response.writeHead(status, { location: elsewhere.url }).end() }
      )
      await t.rejects(validator(remote(server))(await signed(rsa.privateKey, { alg: 'RS256', kid: 'a' })), {
        name: 'JwksError',
        cause: { message: `the answer has status ${status}` }
      })
      t.equal(server.asked, 1)
    }
    t.equal(elsewhere.asked, 0)
  })

  t.test('because no server listens there fails in the same way', async t => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    server.close()
    await once(server, 'close')
    const validate = validator({ ...base, jwksUri: `http://127.0.0.1:${port}/`, algorithms: ['RS256'] })
    await t.rejects(validate(unknownKid()), JwksError)
    t.equal(await validate('no token'), null, 'what is no token needs no key')
  })

  t.end()
})
