/** Being written. */
import { Page } from '../../components/Page'

export function RunPage() {
  return <Page title="RunPage" documentTitle="RunPage">{null}</Page>
}
