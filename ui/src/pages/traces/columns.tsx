/** The columns of a traces table. */
import { traceDuration, traceExperiment, traceModel, traceName, traceTime, traceTokens, type TraceInfo } from '../../api/traces'
import type { Column } from '../../components/DataTable'
import { State } from '../../components/Status'
import { Age } from '../../components/Time'
import { formatDuration, formatNumber, shortId } from '../../lib/format'
import { previewText } from './preview'
import styles from './TraceList.module.css'

export function columnsOf(experimentNames: Map<string, string> | undefined): Column<TraceInfo>[] {
  return [
    { id: 'time', title: 'Time', width: 74, cell: (trace) => <span className="muted"><Age time={traceTime(trace)} /></span> },
    { id: 'name', title: 'Name', width: 148, cell: (trace) => <Name trace={trace} /> },
    { id: 'input', title: 'Input', width: 220, grow: true, cell: (trace) => <Preview text={trace.request_preview ?? trace.trace_metadata?.['mlflow.traceInputs']} /> },
    { id: 'output', title: 'Output', width: 220, grow: true, cell: (trace) => <Preview text={trace.response_preview ?? trace.trace_metadata?.['mlflow.traceOutputs']} /> },
    { id: 'status', title: 'Status', width: 96, cell: (trace) => <State value={trace.state} /> },
    { id: 'latency', title: 'Latency', width: 78, numeric: true, cell: (trace) => formatDuration(traceDuration(trace)) },
    { id: 'tokens', title: 'Tokens', width: 66, numeric: true, cell: (trace) => <Tokens trace={trace} /> },
    { id: 'model', title: 'Model', width: 132, cell: (trace) => <span className="truncate num muted" title={traceModel(trace)}>{traceModel(trace) ?? '–'}</span> },
    ...(experimentNames ? [{ id: 'experiment', title: 'Experiment', width: 116, cell: (trace: TraceInfo) => <Experiment id={traceExperiment(trace)} names={experimentNames} /> }] : []),
  ]
}

function Name({ trace }: { trace: TraceInfo }) {
  const name = traceName(trace)
  return <span className={`truncate ${name ? styles.name : 'num muted'}`} title={trace.trace_id}>{name ?? shortId(trace.trace_id)}</span>
}

function Preview({ text }: { text: string | undefined }) {
  const shown = previewText(text)
  return shown ? <span className="truncate" title={shown}>{shown}</span> : <span className="faint">–</span>
}

function Tokens({ trace }: { trace: TraceInfo }) {
  const tokens = traceTokens(trace)
  return tokens ? <span title={`${tokens.input} in, ${tokens.output} out`}>{formatNumber(tokens.total)}</span> : <span className="faint">–</span>
}

function Experiment({ id, names }: { id: string | undefined; names: Map<string, string> }) {
  return <span className="truncate muted">{id === undefined ? '–' : (names.get(id) ?? shortId(id))}</span>
}
