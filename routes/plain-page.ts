import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ResolvedOptions } from '../lib/options/options.js'
import { markupOf } from './markup.js'
import { relativePath } from './relative-path.js'

/** A page that loads nothing, runs nothing and stands in no frame. */
const POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/** The content of a page: texts, which stay texts. */
interface PlainPage {
  readonly title: string
  readonly paragraphs: readonly string[]
  /** Is shown as it is, in a block. */
  readonly block?: string
}

/** Whether a browser asks, which shows the answer to a user: programs ask for JSON, or for anything. */
export function wantsPage ({ headers: { accept } }: FastifyRequest): boolean {
  return accept?.split(',').some(type => /^\s*text\/html\s*($|;)/i.test(type)) === true
}

/**
 * Makes an answer a page for a user who has come upon an address of programs, with the way to the console
 * where there is one. `path` is that of the route. Returns the page, which has only to be sent.
 */
export function plainPage (
  { request, reply, options, path }: {
    readonly request: FastifyRequest
    readonly reply: FastifyReply
    readonly options: ResolvedOptions
    readonly path: string
  },
  { title, paragraphs, block }: PlainPage
): string {
  const { console: place } = options.routes
  const link = place === false
    ? ''
    : `<p><a href="${markupOf(wayTo(request, path, place))}">Open the console</a></p>`
  reply.type('text/html; charset=utf-8').headers({
    'content-security-policy': POLICY,
    'x-content-type-options': 'nosniff'
  })
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${markupOf(title)}</title>
<h1>${markupOf(title)}</h1>
${paragraphs.map(text => `<p>${markupOf(text)}</p>`).join('\n')}
${link}
${block === undefined ? '' : `<pre>${markupOf(block)}</pre>`}
</html>
`
}

/** Returns the way from a route to the console, as the browser resolves it from its address of the route. */
function wayTo ({ url }: FastifyRequest, path: string, console: string): string {
  const [pathname = ''] = url.split('?')
  const way = `${relativePath(path, console).replace(/\/$/, '')}/`
  return pathname.endsWith('/') ? way : `./${pathname.split('/').at(-1)}/${way}`
}
