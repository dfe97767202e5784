/** Being written. */
import { Page } from '../../components/Page'

export function Compare() {
  return <Page title="Compare" documentTitle="Compare">{null}</Page>
}
