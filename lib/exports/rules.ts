/** The package `@hamicek/noex-rules`: the rule engine. */
export * from '@hamicek/noex-rules'
