import type { FastifyReply } from 'fastify'

/**
 * Sets headers that are about one connection of HTTP/1.1. HTTP/2 has none of them (RFC 9113, section 8.2.2):
 * Node throws over one when the reply is written, where no error handler of the application can catch it.
 */
export function setConnectionHeaders (reply: FastifyReply, headers: Readonly<Record<string, string>>): void {
  if (!(reply.request.raw.httpVersionMajor >= 2)) reply.headers(headers)
}
