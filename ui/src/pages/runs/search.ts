/** What the experiment page keeps in its address: every view of it is a link. */
import { flag, number, oneOf, text, type RawSearch } from '../../lib/search'

export const experimentTabs = ['runs', 'traces', 'about'] as const
export const layouts = ['table', 'charts', 'both'] as const
export const xKinds = ['step', 'time', 'relative'] as const

export type ExperimentSearch = {
  tab?: (typeof experimentTabs)[number]
  /** The filter, in MLflow's grammar. */
  q?: string
  /** The filter of the traces tab. */
  tq?: string
  /** `metrics.loss` ascending, `-metrics.loss` descending. */
  sort?: string
  /** Chosen columns, joined; absent means those that vary. */
  cols?: string
  /** Selected run ids, joined; absent means the first few. */
  sel?: string
  view?: (typeof layouts)[number]
  deleted?: true
  x?: (typeof xKinds)[number]
  smooth?: number
  log?: true
}

export const validateExperimentSearch = (raw: RawSearch): ExperimentSearch => ({
  tab: oneOf(raw.tab, experimentTabs),
  q: text(raw.q),
  tq: text(raw.tq),
  sort: text(raw.sort),
  cols: text(raw.cols),
  sel: text(raw.sel),
  view: oneOf(raw.view, layouts),
  deleted: flag(raw.deleted),
  x: oneOf(raw.x, xKinds),
  smooth: number(raw.smooth),
  log: flag(raw.log),
})
