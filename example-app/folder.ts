/**
 * The folder example-app/ below the package root. The page and the data stay there, while this code
 * runs from there (in the tests) or from dist/example-app/ (built).
 */
export const folder = new URL('example-app/', import.meta.resolve('fastify-noex/package.json'))
