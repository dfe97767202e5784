/** A page that failed to show; the rest of the app stays usable. */
import { Failure } from '../../components/Empty'
import { Page } from '../../components/Page'

export function Crash({ error }: { error: unknown }) {
  return (
    <Page title="Something went wrong" documentTitle="Error">
      <Failure error={error} what="this page" onRetry={() => location.reload()} />
    </Page>
  )
}
