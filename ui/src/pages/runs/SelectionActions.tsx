/** What can be done with the selected runs. */
import { useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { Download, Ellipsis, GitCompareArrows, RotateCcw, Tag, Trash2 } from 'lucide-react'
import { useState } from 'react'
import { messageOf } from '../../api/client'
import { deleteRun, restoreRun, setRunTag } from '../../api/runs'
import type { Experiment, Run } from '../../api/types'
import { Button, IconButton } from '../../components/Button'
import { FormDialog } from '../../components/Dialog'
import { Field } from '../../components/Field'
import { Menu } from '../../components/Menu'
import { toast } from '../../components/Toast'
import { downloadText } from '../../lib/browser'
import { count } from '../../lib/format'
import { joinList } from '../../lib/search'
import { compareMax } from '../compare/search'
import { runsToCsv } from './exportRuns'

type Props = { experiment: Experiment; runs: Run[]; selected: Set<string>; deleted: boolean; onClear: () => void }

export function SelectionActions({ experiment, runs, selected, deleted, onClear }: Props) {
  const client = useQueryClient()
  const navigate = useNavigate()
  const [dialog, setDialog] = useState<'delete' | 'tag'>()
  const [key, setKey] = useState('')
  const [value, setValue] = useState('')
  const ids = [...selected]
  const refresh = () => client.invalidateQueries({ queryKey: ['runs'] })
  /** One after the other: the server groups writes itself, and a failure stops before more damage. */
  const forEach = async (work: (id: string) => Promise<unknown>) => {
    try {
      for (const id of ids) await work(id)
    } finally {
      await refresh()
    }
  }
  const compare = () => {
    if (ids.length > compareMax) toast(`Comparing the first ${compareMax} of ${ids.length} runs`)
    void navigate({ to: '/compare', search: { runs: joinList(ids.slice(0, compareMax)) } })
  }
  const exportCsv = () => {
    const chosen = selected.size > 0 ? runs.filter((run) => selected.has(run.info.run_id)) : runs
    downloadText(`${experiment.name.replaceAll(/[^\w.-]+/g, '-')}-runs.csv`, runsToCsv(chosen), 'text/csv')
  }
  const restore = async () => {
    try {
      await forEach(restoreRun)
      toast(`Restored ${count(ids.length, 'run')}`)
      onClear()
    } catch (error) {
      toast(messageOf(error), true)
    }
  }
  return (
    <>
      <Button tone={selected.size > 1 ? 'primary' : 'default'} icon={<GitCompareArrows />} disabled={selected.size < 2} title={selected.size < 2 ? 'Select two or more runs to compare them' : undefined} onClick={compare}>
        Compare{selected.size > 1 ? ` ${selected.size}` : ''}
      </Button>
      <Menu
        trigger={<IconButton tone="default" label="More actions" icon={<Ellipsis />} />}
        items={[
          { label: selected.size > 0 ? `Export ${count(selected.size, 'run')} as CSV` : 'Export the loaded runs as CSV', icon: <Download />, onSelect: exportCsv },
          { label: 'Clear the selection', disabled: selected.size === 0, onSelect: onClear },
          'separator',
          { label: 'Tag…', icon: <Tag />, disabled: selected.size === 0 || deleted, onSelect: () => setDialog('tag') },
          deleted
            ? { label: 'Restore', icon: <RotateCcw />, disabled: selected.size === 0, onSelect: () => void restore() }
            : { label: 'Delete…', icon: <Trash2 />, danger: true, disabled: selected.size === 0, onSelect: () => setDialog('delete') },
        ]}
      />
      <FormDialog
        open={dialog === 'delete'}
        onClose={() => setDialog(undefined)}
        title={`Delete ${count(ids.length, 'run')}?`}
        description="They move out of sight and can be restored from the deleted runs."
        action="Delete"
        danger
        onSubmit={async () => {
          await forEach(deleteRun)
          toast(`Deleted ${count(ids.length, 'run')}`)
          onClear()
        }}
      />
      <FormDialog
        open={dialog === 'tag'}
        onClose={() => setDialog(undefined)}
        title={`Tag ${count(ids.length, 'run')}`}
        action="Set tag"
        disabled={key.trim() === ''}
        onSubmit={async () => {
          await forEach((id) => setRunTag(id, key.trim(), value))
          setKey('')
          setValue('')
        }}
      >
        <Field label="Key" value={key} onChange={(event) => setKey(event.target.value)} autoFocus mono />
        <Field label="Value" value={value} onChange={(event) => setValue(event.target.value)} mono />
      </FormDialog>
    </>
  )
}
