/** An address that leads nowhere. */
import { Link } from '@tanstack/react-router'
import { buttonClass } from '../../components/Button'
import { Empty } from '../../components/Empty'
import { Page } from '../../components/Page'

export function NotFound() {
  return (
    <Page title="Not found" documentTitle="Not found">
      <Empty title="There is no page here" text={<span className="num">{location.pathname}</span>}>
        <div>
          <Link to="/experiments" className={buttonClass()}>
            Go to experiments
          </Link>
        </div>
      </Empty>
    </Page>
  )
}
