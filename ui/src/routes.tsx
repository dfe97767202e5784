/** Every address of the app. Each page is loaded when it is first opened. */
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect } from '@tanstack/react-router'
import { prefix } from './lib/base'
import { parseSearch, stringifySearch } from './lib/search'
import { Shell } from './components/Shell'
import { NotFound } from './pages/notfound/NotFound'
import { Crash } from './pages/notfound/Crash'
import { validateExperimentSearch } from './pages/runs/search'
import { validateExperimentsSearch } from './pages/experiments/search'
import { validateRunSearch } from './pages/run/search'
import { validateCompareSearch } from './pages/compare/search'
import { validateTracesSearch } from './pages/traces/search'
import { validateTraceSearch } from './pages/trace/search'
import { validatePlaygroundSearch } from './pages/playground/search'
import { validateGatewaySearch } from './pages/gateway/search'

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound, errorComponent: Crash })

const home = createRoute({
  getParentRoute: () => root,
  path: '/',
  beforeLoad: () => {
    throw redirect({ to: '/experiments', replace: true })
  },
})

const experiments = createRoute({ getParentRoute: () => root, path: '/experiments', validateSearch: validateExperimentsSearch, component: lazyRouteComponent(() => import('./pages/experiments/Experiments'), 'Experiments') })

const experiment = createRoute({ getParentRoute: () => root, path: '/experiments/$id', validateSearch: validateExperimentSearch, component: lazyRouteComponent(() => import('./pages/runs/Experiment'), 'Experiment') })

const run = createRoute({ getParentRoute: () => root, path: '/runs/$id', validateSearch: validateRunSearch, component: lazyRouteComponent(() => import('./pages/run/RunPage'), 'RunPage') })

const compare = createRoute({ getParentRoute: () => root, path: '/compare', validateSearch: validateCompareSearch, component: lazyRouteComponent(() => import('./pages/compare/Compare'), 'Compare') })

const settings = createRoute({ getParentRoute: () => root, path: '/settings', component: lazyRouteComponent(() => import('./pages/settings/Settings'), 'Settings') })

const traces = createRoute({ getParentRoute: () => root, path: '/traces', validateSearch: validateTracesSearch, component: lazyRouteComponent(() => import('./pages/traces/Traces'), 'Traces') })

const trace = createRoute({ getParentRoute: () => root, path: '/traces/$id', validateSearch: validateTraceSearch, component: lazyRouteComponent(() => import('./pages/trace/TracePage'), 'TracePage') })

const playground = createRoute({ getParentRoute: () => root, path: '/playground', validateSearch: validatePlaygroundSearch, component: lazyRouteComponent(() => import('./pages/playground/Playground'), 'Playground') })

const gateway = createRoute({ getParentRoute: () => root, path: '/gateway', validateSearch: validateGatewaySearch, component: lazyRouteComponent(() => import('./pages/gateway/Gateway'), 'Gateway') })

const routeTree = root.addChildren([home, experiments, experiment, run, compare, traces, trace, playground, gateway, settings])

export const router = createRouter({ routeTree, basepath: prefix || '/', parseSearch, stringifySearch, defaultPreload: 'intent', scrollRestoration: false })

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}

/** MLflow's client prints `/#/experiments/1/runs/<id>`; such links open the same thing here. */
export function redirectHash() {
  const path = mlflowHash(location.hash)
  if (path) history.replaceState(null, '', prefix + path)
}

export function mlflowHash(hash: string): string | undefined {
  if (!hash.startsWith('#/')) return undefined
  const path = hash.slice(1).split('?')[0] ?? '/'
  const run = /^\/experiments\/[^/]+\/runs\/([^/]+)/.exec(path)
  if (run) return `/runs/${run[1]}`
  const trace = /selectedEvaluationId=([^&]+)/.exec(hash)
  if (trace) return `/traces/${trace[1]}`
  const experiment = /^\/experiments\/(\d+)(?:\/(\w+))?/.exec(path)
  if (experiment) return `/experiments/${experiment[1]}${experiment[2] === 'traces' ? '?tab=traces' : ''}`
  return path
}
