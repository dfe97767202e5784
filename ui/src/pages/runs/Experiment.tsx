/** Being written. */
import { Page } from '../../components/Page'

export function Experiment() {
  return <Page title="Experiment" documentTitle="Experiment">{null}</Page>
}
