import { createComponent } from 'solid-js'
import { renderToString } from 'solid-js/web'
import t from 'tap'
import { useQuery } from '../../../../lib/client/adapters/solid.js'
import { HandQuery } from '../../../support/hand-client.js'

t.test('a server reads only', async t => {
  const query = new HandQuery<string>()
  query.show('one', { status: 'stale' })
  const Orders = () => {
    const orders = useQuery(query)
    return () => `${orders.status}: ${orders.data}`
  }
  t.equal(renderToString(() => createComponent(Orders, {})), 'stale: one')
  t.equal(query.subscriptions, 0)
})
