/** Being written. */
import { Page } from '../../components/Page'

export function Settings() {
  return <Page title="Settings" documentTitle="Settings">{null}</Page>
}
