/** The command palette: any page, experiment, run, trace or id. */
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { Activity, CornerDownLeft, FlaskConical, Hash, Play, Settings } from 'lucide-react'
import { Dialog } from 'radix-ui'
import { useState, type KeyboardEvent, type ReactNode } from 'react'
import { nameFilter } from '../api/experiments'
import { request } from '../api/client'
import { nameOf } from '../api/runs'
import type { Experiment, Run } from '../api/types'
import { useSettled } from '../lib/browser'
import { shortId } from '../lib/format'
import { places } from './Shell'
import styles from './Palette.module.css'

type Entry = { key: string; group: string; label: string; note?: string; icon: ReactNode; to: string }

/** Enough to choose from without scrolling. */
const found = 6

async function search(text: string, signal: AbortSignal): Promise<Entry[]> {
  const { experiments = [] } = await request<{ experiments?: Experiment[] }>('/api/2.0/mlflow/experiments/search', { method: 'POST', body: { max_results: 50, filter: nameFilter(text), order_by: ['last_update_time DESC'] }, signal })
  const entries: Entry[] = experiments.slice(0, found).map((it) => ({ key: `e${it.experiment_id}`, group: 'Experiments', label: it.name, note: it.experiment_id, icon: <FlaskConical />, to: `/experiments/${it.experiment_id}` }))
  if (text.trim().length < 2) return entries
  const everywhere = text.trim() === '' ? experiments : (await request<{ experiments?: Experiment[] }>('/api/2.0/mlflow/experiments/search', { method: 'POST', body: { max_results: 200, order_by: ['last_update_time DESC'] }, signal })).experiments ?? []
  if (everywhere.length === 0) return entries
  const names = new Map(everywhere.map((it) => [it.experiment_id, it.name]))
  const { runs = [] } = await request<{ runs?: Run[] }>('/api/2.0/mlflow/runs/search', {
    method: 'POST',
    body: { experiment_ids: [...names.keys()], max_results: found, filter: `attributes.run_name ILIKE '%${text.trim().replaceAll("'", "''")}%'` },
    signal,
  })
  return [...entries, ...runs.map((run) => ({ key: `r${run.info.run_id}`, group: 'Runs', label: nameOf(run), note: names.get(run.info.experiment_id) ?? shortId(run.info.run_id), icon: <Play />, to: `/runs/${run.info.run_id}` }))]
}

/** Text that is itself an id can be opened without a search. */
export function byId(text: string): Entry[] {
  const id = text.trim()
  const entry = (kind: string, to: string, icon: ReactNode): Entry => ({ key: `id-${kind}`, group: 'Open by id', label: `${kind} ${id}`, icon, to })
  if (/^tr-[0-9a-f]{8,}$/i.test(id)) return [entry('Trace', `/traces/${id}`, <Activity />)]
  if (/^[0-9a-f]{32}$/i.test(id)) return [entry('Run', `/runs/${id}`, <Hash />), entry('Trace', `/traces/tr-${id}`, <Activity />)]
  if (/^\d+$/.test(id)) return [entry('Experiment', `/experiments/${id}`, <Hash />)]
  return []
}

export function Palette({ open, onClose }: { open: boolean; onClose: () => void }) {
  return (
    <Dialog.Root open={open} onOpenChange={(next) => !next && onClose()}>
      <Dialog.Portal>
        <Dialog.Overlay className={styles.veil} />
        <Dialog.Content className={styles.panel} aria-describedby={undefined}>
          <Dialog.Title className="sr-only">Go to</Dialog.Title>
          <Search onClose={onClose} />
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  )
}

function Search({ onClose }: { onClose: () => void }) {
  const navigate = useNavigate()
  const [text, setText] = useState('')
  const [active, setActive] = useState(0)
  const settled = useSettled(text, 140)
  const { data = [], isPlaceholderData } = useQuery({ queryKey: ['palette', settled], queryFn: ({ signal }) => search(settled, signal), placeholderData: (previous) => previous })
  const pages: Entry[] = [...places.flatMap((group) => group.items), { to: '/settings', label: 'Settings', key: 'g s', icon: <Settings /> }]
    .filter((place) => place.label.toLowerCase().includes(text.trim().toLowerCase()))
    .map((place) => ({ key: place.to, group: 'Pages', label: place.label, note: place.key, icon: place.icon, to: place.to }))
  // While the answer to the last key is on its way, Enter must not open what an older text found.
  const stale = isPlaceholderData || settled !== text
  const current = stale ? data.filter((entry) => entry.label.toLowerCase().includes(text.trim().toLowerCase())) : data
  const entries = [...byId(text), ...pages, ...current]

  const open = (entry: Entry | undefined) => {
    if (!entry) return
    onClose()
    void navigate({ to: entry.to })
  }
  const onKeyDown = (event: KeyboardEvent) => {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0
    if (step) {
      event.preventDefault()
      setActive((it) => (it + step + entries.length) % Math.max(1, entries.length))
    } else if (event.key === 'Enter') {
      event.preventDefault()
      open(entries[active])
    }
  }
  return (
    <>
      <input
        className={styles.input}
        placeholder="Page, experiment, run or id"
        aria-label="Go to"
        role="combobox"
        aria-expanded="true"
        aria-controls="palette-list"
        aria-activedescendant={entries[active] ? `palette-${entries[active].key}` : undefined}
        value={text}
        onChange={(event) => {
          setText(event.target.value)
          setActive(0)
        }}
        onKeyDown={onKeyDown}
      />
      <div id="palette-list" role="listbox" aria-label="Results" className={styles.list}>
        {entries.length === 0 && <div className={styles.none}>Nothing is called “{text}”.</div>}
        {entries.map((entry, index) => (
          <div key={entry.key}>
            {entry.group !== entries[index - 1]?.group && <div className={styles.group}>{entry.group}</div>}
            <button type="button" id={`palette-${entry.key}`} role="option" tabIndex={-1} aria-selected={index === active} className={styles.entry} onMouseMove={() => setActive(index)} onClick={() => open(entry)}>
              {entry.icon}
              <span className="truncate grow">{entry.label}</span>
              {entry.note && <span className={styles.note}>{entry.note}</span>}
              {index === active && <CornerDownLeft />}
            </button>
          </div>
        ))}
      </div>
    </>
  )
}
