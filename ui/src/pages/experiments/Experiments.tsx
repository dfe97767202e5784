/** Being written. */
import { Page } from '../../components/Page'

export function Experiments() {
  return <Page title="Experiments" documentTitle="Experiments">{null}</Page>
}
