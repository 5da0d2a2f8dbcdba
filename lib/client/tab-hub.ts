import type { Environment } from './environment.js'
import type { ServerMessage } from './link.js'
import { callEach } from './report.js'
import { LOST, type OpenTransport, type Transport, type TransportListener } from './transport.js'

/** One transport that several use, each as if it had its own. */
export interface Hub {
  /** Adds one of them. It gets the welcome at once, where that has come. */
  readonly join: OpenTransport
  /** Whether all are about to leave: the server stops, or the session has ended. */
  readonly isLeaving: () => boolean
  /** Ends the transport, and those of all. */
  readonly end: TransportListener['onClose']
}

/** One that uses the transport. */
interface Member {
  readonly listener: TransportListener
  /** Pings of the server since its last message. */
  missed: number
  /** The reply to the login that it has been told last. */
  session?: unknown
}

/** A request without a reply. */
interface Pending {
  readonly type: string
  /** Those who have sent it, each with the id of its own; several where they log in at the same time. */
  readonly askers: Array<readonly [member: Member, id: unknown]>
  /** The text of a login. */
  readonly login: string | false
}

/** Pings of the server after which one that has not answered is gone. */
const MAX_MISSED = 3

/** Logins that are remembered. */
const MAX_LOGINS = 50

/** The close code for the end of a session. */
const SESSION_ENDED = 4002

/**
 * Opens a transport for several. It gives requests ids of its own, answers pings, and sends an equal login
 * only once while the session lasts. `onEnd` is called when the transport has ended or is not used any more.
 */
export function openHub (
  openReal: OpenTransport, { now }: Pick<Environment, 'now'>, onEnd: TransportListener['onClose']
): Hub {
  const members = new Set<Member>()
  const pending = new Map<number, Pending>()
  /** Who has subscribed, and how, by the id of the subscription. */
  const owners = new Map<unknown, { readonly member: Member, readonly type: string }>()
  const logins = new Set<string>()
  let lastId = 0
  let welcome: ServerMessage | undefined
  /** The time of the server at the zero of our clock. */
  let serverZero = 0
  let shutdown: string | undefined
  /** The reply to the last login. */
  let session: any
  /** Pushes of one moment, until the last of them has come. */
  let group: Array<readonly [message: ServerMessage, text: string]> = []
  let isOver = false

  const tell = (member: Member | undefined, text: string): void => {
    if (members.has(member as Member)) member?.listener.onMessage(text)
  }

  const tellAll = (text: string): void => { callEach(members, member => { tell(member, text) }) }

  const send = (type: string, body: string, login: string | false, ...askers: Pending['askers']): void => {
    pending.set(++lastId, { type, askers, login })
    real.send(`{"id":${lastId},${body}`)
  }

  const unsubscribe = (subscriptionId: unknown, type: string): void => {
    const ending = type.replace('subscribe', 'unsubscribe')
    owners.delete(subscriptionId)
    send(ending, JSON.stringify({ type: ending, subscriptionId }).slice(1), false)
  }

  const leave = (member: Member): boolean => {
    if (!members.delete(member)) return false
    for (const [id, owner] of owners) if (owner.member === member) unsubscribe(id, owner.type)
    if (members.size === 0) end(LOST, '')
    return true
  }

  const drop = (member: Member, ...ending: readonly [code: number, reason: string]): void => {
    if (leave(member)) member.listener.onClose(...ending)
  }

  const end: Hub['end'] = (...ending) => {
    if (isOver) return
    isOver = true
    real.close()
    const left = [...members]
    members.clear()
    callEach(left, ({ listener }) => { listener.onClose(...ending) })
    onEnd(...ending)
  }

  /** Takes a message of a member: a pong, or a request whose text begins with its id. */
  const take = (member: Member, text: string): void => {
    if (isOver || !members.has(member)) return
    member.missed = 0
    const { id, type, subscriptionId } = JSON.parse(text)
    if (type === 'pong') return
    const body = text.slice(text.indexOf(',') + 1)
    const isLogin = /\.login$/.test(type)
    if (isLogin) {
      // The same session as before would not be renewed.
      const isNews = session && session !== member.session
      if (isNews && logins.has(body) && (session.expiresAt ?? Infinity) > serverZero + now()) {
        member.session = session
        return tell(member, JSON.stringify({ id, type: 'result', data: session }))
      }
      const same = [...pending.values()].find(({ login }) => login === body)
      if (same) {
        same.askers.push([member, id])
        return
      }
    }
    if (/\.unsubscribe$/.test(type)) owners.delete(subscriptionId)
    send(type, body, isLogin && body, [member, id])
  }

  const settle = (reply: ServerMessage, text: string): void => {
    const request = pending.get(reply['id'])
    if (!request) return
    pending.delete(reply['id'])
    const { type, askers, login } = request
    const { data } = reply
    const head = `{"id":${reply['id']},`
    const answer = ([member, id]: Pending['askers'][number]): void => {
      tell(member, text.startsWith(head)
        ? `{"id":${JSON.stringify(id)},${text.slice(head.length)}`
        : JSON.stringify({ ...reply, id }))
    }
    if (reply['type'] !== 'result') return callEach(askers, answer)
    if (login) {
      if (session && userOf(session) !== userOf(data)) return end(SESSION_ENDED, 'other_user')
      session = data
      if (logins.size >= MAX_LOGINS) logins.clear()
      logins.add(login)
      for (const [member] of askers) member.session = session
    }
    const [[asker] = []] = askers
    if (/\.subscribe$/.test(type) && asker && data?.subscriptionId) {
      owners.set(data.subscriptionId, { member: asker, type })
      if (!members.has(asker)) unsubscribe(data.subscriptionId, type)
    }
    if (/^(auth|identity)\.logout$/.test(type)) {
      session = undefined
      logins.clear()
      // Before the answer, after which the one that has logged out may end all.
      callEach(members, member => { if (member !== asker) drop(member, SESSION_ENDED, 'logged_out') })
    }
    callEach(askers, answer)
  }

  /** Passes on the pushes of one moment: for each member they are a group of its own. */
  const pushGroup = (): void => {
    const pushes = group.map(([message, text]) =>
      ({ message, text, member: owners.get(message['subscriptionId'])?.member }))
    group = []
    const last = new Map(pushes.map(push => [push.member, push]))
    callEach(pushes, push => {
      const { member, message, text } = push
      const isEnd = message['more'] && last.get(member) === push
      tell(member, isEnd ? JSON.stringify({ ...message, more: undefined }) : text)
    })
  }

  const onMessage = (text: string): void => {
    let message: ServerMessage = {}
    try {
      message = Object(JSON.parse(text))
    } catch {}
    const { type, event, channel, subscriptionId, timestamp } = message
    if (type === 'result' || type === 'error') return settle(message, text)
    if (type === 'push' && channel !== 'event') {
      group.push([message, text])
      return message['more'] ? undefined : pushGroup()
    }
    if (subscriptionId !== undefined) {
      const owner = owners.get(subscriptionId)
      if (event === 'subscription_closed') owners.delete(subscriptionId)
      return tell(owner?.member, text)
    }
    if (type === 'welcome') {
      welcome = message
      serverZero = Number(message['serverTime']) - now()
    } else if (/^(shutdown|session_ended)$/.test(event)) {
      shutdown = text
    } else if (type === 'ping') {
      real.send(JSON.stringify({ type: 'pong', timestamp }))
      callEach(members, member => { if (++member.missed > MAX_MISSED) drop(member, LOST, '') })
    }
    tellAll(text)
  }

  const real: Transport = openReal({ onMessage, onClose: (...ending) => { end(...ending) } })

  return {
    isLeaving: () => shutdown !== undefined,
    end,
    join: listener => {
      const member: Member = { listener, missed: 0 }
      members.add(member)
      if (welcome) tell(member, JSON.stringify({ ...welcome, serverTime: serverZero + now() }))
      if (shutdown) tell(member, shutdown)
      return {
        get kind () { return real.kind },
        send: text => { take(member, text) },
        close: () => { leave(member) }
      }
    }
  }
}

/** Returns who has logged in, by the reply to a login. */
function userOf (session: any): unknown {
  return session?.userId ?? session?.user?.id
}
