/** The gateway: its endpoints with what they did lately, a test call beside them, and the calls themselves. */
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useMemo } from 'react'
import { endpointsQuery, kindWord, type Endpoint } from '../../api/gateway'
import { allExperimentsQuery, traceEndpoint, tracesQuery, type TraceInfo } from '../../api/traces'
import { DataTable, type Column } from '../../components/DataTable'
import { Failure, Loading } from '../../components/Empty'
import { Page } from '../../components/Page'
import { Split } from '../../components/Split'
import { count, formatDuration } from '../../lib/format'
import { NoEndpoints } from '../playground/Playground'
import { columnsOf } from '../traces/columns'
import { EndpointPanel } from './EndpointPanel'
import styles from './Gateway.module.css'
import { Latencies } from './Latencies'
import { recentOf, type Recent } from './recent'
import { serverUrl } from '../../lib/base'

/** Traces that the gateway recorded; other traces carry no endpoint. */
const recordedCalls = "metadata.`mlflow.gateway.endpointId` != ''"

type Row = Endpoint & { recent: Recent }

export function Gateway() {
  const { endpoint: chosen } = useSearch({ from: '/gateway' })
  const navigate = useNavigate()
  const endpoints = useQuery(endpointsQuery)
  const experiments = useQuery(allExperimentsQuery)
  const ids = useMemo(() => experiments.data?.map((it) => it.experiment_id) ?? [], [experiments.data])
  const calls = useInfiniteQuery({ ...tracesQuery({ experimentIds: ids, filter: recordedCalls }), enabled: ids.length > 0 })
  const recent = useMemo(() => calls.data?.pages[0]?.traces ?? [], [calls.data])
  const rows = useMemo(() => endpoints.data?.map((it): Row => ({ ...it, recent: recentOf(recent, it.name) })) ?? [], [endpoints.data, recent])
  const endpoint = rows.find((it) => it.name === chosen) ?? rows[0]
  const choose = (name: string) => void navigate({ to: '/gateway', search: { endpoint: name }, replace: true })

  return (
    <Page title="Gateway" documentTitle="Gateway" meta={endpoints.data && <span>{count(endpoints.data.length, 'endpoint')} at <span className="num">{serverUrl}</span></span>}>
      {endpoints.isPending && <Loading />}
      {endpoints.isError && <Failure error={endpoints.error} what="the gateway’s endpoints" onRetry={() => void endpoints.refetch()} />}
      {endpoints.data?.length === 0 && <NoEndpoints />}
      {endpoint && (
        <Split
          id="gateway"
          label="Width of the endpoint list"
          initial={62}
          left={
            <div className={styles.left}>
              <div className={styles.endpoints} style={{ flexBasis: Math.min(rows.length, 12) * 34 + 34 }}>
                <DataTable label="Endpoints" rows={rows} columns={endpointColumns} rowKey={(it) => it.name} rowHeight={34} current={endpoint.name} onOpen={(it) => choose(it.name)} />
              </div>
              <div className={styles.head}>
                <h2>Recent calls</h2>
                <span className="grow" />
                <Link to="/traces">All traces</Link>
              </div>
              {calls.isError && <Failure error={calls.error} what="recent calls" onRetry={() => void calls.refetch()} />}
              <DataTable
                label="Recent calls"
                rows={recent}
                columns={callColumns}
                rowKey={(trace) => trace.trace_id}
                onOpen={(trace) => void navigate({ to: '/traces/$id', params: { id: trace.trace_id } })}
                empty={<p className={styles.none}>{calls.isLoading ? '' : 'No call was recorded yet. Send a test: it will appear here.'}</p>}
              />
            </div>
          }
          right={<EndpointPanel key={endpoint.name} endpoint={endpoint} recent={endpoint.recent} onCalled={() => void calls.refetch()} />}
        />
      )}
    </Page>
  )
}

const endpointColumns: Column<Row>[] = [
  { id: 'name', title: 'Endpoint', width: 160, grow: true, cell: (it) => <b className="truncate">{it.name}</b> },
  { id: 'kind', title: 'Type', width: 92, cell: (it) => <span className="muted" title={it.endpoint_type}>{kindWord[it.endpoint_type] ?? it.endpoint_type}</span> },
  { id: 'model', title: 'Model', width: 126, grow: true, cell: (it) => <span className="truncate" title={`${it.model.provider}: ${it.model.name}`}>{it.model.provider} <span className="muted">{it.model.name}</span></span> },
  { id: 'limit', title: 'Limit', width: 84, cell: (it) => (it.limit ? <span className="num">{it.limit.calls}/{it.limit.renewal_period}</span> : <span className="faint">none</span>) },
  { id: 'spark', title: 'Latency', width: 98, hint: 'Latency of the latest calls, oldest first', cell: (it) => <Latencies ms={it.recent.latenciesMs} /> },
  { id: 'median', title: 'Median', width: 66, numeric: true, hint: 'Half of the latest calls were faster', cell: (it) => (it.recent.medianMs === undefined ? <span className="faint">–</span> : formatDuration(it.recent.medianMs)) },
  { id: 'calls', title: 'Calls', width: 48, numeric: true, hint: 'Among the latest hundred recorded', cell: (it) => it.recent.calls || <span className="faint">–</span> },
  { id: 'errors', title: 'Errors', width: 56, numeric: true, cell: (it) => (it.recent.errors ? <span className={styles.bad}>{it.recent.errors}</span> : <span className="faint">–</span>) },
]

/** The traces table without what the endpoint list already says, in the width that is left. */
const callColumns = columnsOf(undefined)
  .filter((column) => column.id !== 'model')
  .map((column): Column<TraceInfo> => {
    if (column.id === 'name') return { id: 'endpoint', title: 'Endpoint', width: 124, cell: (trace) => <b className="truncate">{traceEndpoint(trace)}</b> }
    return column.grow ? { ...column, width: 130 } : column
  })
