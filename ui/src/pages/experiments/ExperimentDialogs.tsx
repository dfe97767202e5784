/** Creating, renaming, describing and deleting an experiment. */
import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { createExperiment, deleteExperiment, noteTag, renameExperiment, setExperimentTag } from '../../api/experiments'
import type { Experiment } from '../../api/types'
import { FormDialog } from '../../components/Dialog'
import { Field, TextArea } from '../../components/Field'
import { toast } from '../../components/Toast'

export function useRefreshExperiments() {
  const client = useQueryClient()
  return () => Promise.all([client.invalidateQueries({ queryKey: ['experiments'] }), client.invalidateQueries({ queryKey: ['experiment'] })])
}

export function CreateExperiment({ open, onClose, onCreated }: { open: boolean; onClose: () => void; onCreated: (id: string) => void }) {
  const refresh = useRefreshExperiments()
  const [name, setName] = useState('')
  const submit = async () => {
    const { experiment_id: id } = await createExperiment(name.trim())
    await refresh()
    setName('')
    onCreated(id)
  }
  return (
    <FormDialog open={open} onClose={onClose} title="New experiment" action="Create" disabled={name.trim() === ''} onSubmit={submit}>
      <Field label="Name" hint="Runs are logged into an experiment; its name can be changed later." value={name} onChange={(event) => setName(event.target.value)} autoFocus />
    </FormDialog>
  )
}

type Props = { experiment: Experiment; open: boolean; onClose: () => void }

export function RenameExperiment({ experiment, ...rest }: Props) {
  const refresh = useRefreshExperiments()
  const [name, setName] = useState(experiment.name)
  const submit = async () => {
    await renameExperiment(experiment.experiment_id, name.trim())
    await refresh()
  }
  return (
    <FormDialog {...rest} title="Rename experiment" action="Rename" disabled={name.trim() === '' || name === experiment.name} onSubmit={submit}>
      <Field label="Name" value={name} onChange={(event) => setName(event.target.value)} autoFocus />
    </FormDialog>
  )
}

export function DescribeExperiment({ experiment, ...rest }: Props) {
  const refresh = useRefreshExperiments()
  const [note, setNote] = useState(experiment.tags?.find((tag) => tag.key === noteTag)?.value ?? '')
  const submit = async () => {
    await setExperimentTag(experiment.experiment_id, noteTag, note)
    await refresh()
  }
  return (
    <FormDialog {...rest} title={`Describe ${experiment.name}`} action="Save" width={560} onSubmit={submit}>
      <TextArea label="Description" hint="Markdown" rows={8} value={note} onChange={(event) => setNote(event.target.value)} autoFocus />
    </FormDialog>
  )
}

export function DeleteExperiment({ experiment, onDeleted, ...rest }: Props & { onDeleted?: () => void }) {
  const refresh = useRefreshExperiments()
  const submit = async () => {
    await deleteExperiment(experiment.experiment_id)
    await refresh()
    toast(`Deleted ${experiment.name}; it can be restored from the deleted experiments`)
    onDeleted?.()
  }
  return <FormDialog {...rest} title={`Delete ${experiment.name}?`} description="The experiment and its runs move out of sight. They can be restored." action="Delete" danger onSubmit={submit} />
}
