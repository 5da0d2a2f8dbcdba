import type { Page } from '../page.js'
import { accounts } from './accounts.js'
import { audit } from './audit.js'
import { connections } from './connections.js'
import { data } from './data.js'
import { drain } from './drain.js'
import { overview } from './overview.js'
import { procedures } from './procedures.js'
import { queries } from './queries.js'
import { rules } from './rules.js'

/** The pages, in the order of the navigation; the first is shown where none is named. */
export const pages: readonly Page[] = [
  overview, connections, queries, data, rules, procedures, audit, accounts, drain
]
