import neostandard, { plugins } from 'neostandard'
import { retiredWords } from './scripts/measure/words.js'

/** Folders that are not yet written by the rules below. */
const pending = []

/** Names for which there is a better one: that of the trade and of PROTOCOL.md. */
const retiredNames = [
  'AdmittedUpgrade', 'Arrival', 'Arrivals', 'ArrivingRequest', 'Catalogue', 'ClientConduct', 'Deputy',
  'Endings', 'EventFeed', 'EventFeeds', 'Feed', 'FeedHost', 'FeedRun', 'FeedSubject', 'Feeds', 'Followers',
  'GuardedOperation', 'HandClock', 'Hearer', 'Hearing', 'Later', 'Logins', 'Mandate', 'Mirror', 'OwnWrite',
  'PrincipalOwner', 'Pulse', 'Readings', 'Refusals', 'RequestRecord', 'Requester', 'Room', 'SchemaGate',
  'Scrapes', 'StoreAccess', 'SubscriptionOwner', 'SubscriptionTable', 'Touch', 'Turnstile', 'Verdict',
  'closeDoor', 'eventually', 'followAccess', 'giveBack', 'headersToKeep', 'hurry', 'letLeave',
  'settleSession', 'takeExpired', 'unsealed'
]

const houseRules = {
  '@stylistic/max-len': ['error', { code: 110, ignoreUrls: true, ignoreRegExpLiterals: true }],
  'id-denylist': ['error', ...retiredNames],
  'no-warning-comments': ['error', { terms: retiredWords, location: 'anywhere' }]
}

/** Switches the rules of the house off where these patterns match. */
function without (...files) {
  return { files, rules: Object.fromEntries(Object.keys(houseRules).map(name => [name, 'off'])) }
}

export default [
  ...neostandard({
    ts: true,
    ignores: ['**/dist/**', '.tap/**', 'coverage/**', 'assets/console/uPlot.js']
  }),
  { plugins: { '@stylistic': plugins['@stylistic'] }, rules: houseRules },
  // A stand-in for a package of others, by their names.
  without('test/registry-kernel/**', ...pending.map(folder => `${folder}/**`)),
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
