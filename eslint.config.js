import neostandard from 'neostandard'

export default [
  ...neostandard({
    ts: true,
    ignores: ['**/dist/**', '.tap/**', 'coverage/**']
  }),
  {
    // Rules have an interpolation of their own, which looks like that of JavaScript.
    files: [
      'packages/noex-rules/**',
      'example-app/rules.ts',
      'test/integration/rule-engine-differences.test.ts'
    ],
    rules: { 'no-template-curly-in-string': 'off' }
  }
]
