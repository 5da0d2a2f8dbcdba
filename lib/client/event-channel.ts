import type { NoexClientError } from './errors.js'
import { report } from './report.js'
import type { Subscription } from './subscriptions.js'

/** A listener of events. */
export type OnEvent = (event: any, topic: string) => void

/** The events of the rules whose topics one pattern matches. */
export class EventChannel implements Subscription {
  readonly type = 'rules'
  readonly listeners = new Set<{ readonly onEvent: OnEvent }>()
  readonly #pattern: string

  constructor (pattern: string) {
    this.#pattern = pattern
  }

  members (): object {
    return { pattern: this.#pattern }
  }

  onSubscribed (): undefined {}

  /** Reports the refusal: no listener waits for one. The server is asked again on the next connection. */
  onRefused (error: NoexClientError): void {
    report(error)
  }

  /** Calls the listeners with the data of a push. */
  onEvent (data: any): void {
    for (const listener of [...this.listeners]) {
      if (!this.listeners.has(listener)) continue
      try {
        listener.onEvent(data?.event, data?.topic)
      } catch (error) {
        report(error)
      }
    }
  }
}
