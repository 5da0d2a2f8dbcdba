// Each process of a test run loads this first (tap's node-arg in package.json). tap has loaders for mocks and
// for `--changed`, which send each of a thousand modules through a thread of their own: more than a second of
// CPU for each test file and each of its children on Node 20. No test mocks modules, and coverage does not
// need the loaders.
const module_ = require('node:module')

const { register } = module_
if (register !== undefined) {
  module_.register = (specifier, ...rest) => {
    if (!/[\\/]@tapjs[\\/]/.test(String(specifier))) register(specifier, ...rest)
  }
  module_.syncBuiltinESMExports()
}

// For the children: process information reaches them in this variable, too.
const own = `--require=${JSON.stringify(__filename)}`
const options = process.env.NODE_OPTIONS ?? ''
if (!options.includes(__filename)) process.env.NODE_OPTIONS = `${own} ${options}`.trim()
