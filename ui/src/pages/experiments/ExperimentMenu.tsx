/** What can be done with one experiment. */
import { Ellipsis, NotebookPen, Pencil, RotateCcw, Trash2 } from 'lucide-react'
import { useState } from 'react'
import { messageOf } from '../../api/client'
import { restoreExperiment } from '../../api/experiments'
import type { Experiment } from '../../api/types'
import { IconButton } from '../../components/Button'
import { Menu } from '../../components/Menu'
import { toast } from '../../components/Toast'
import { DeleteExperiment, DescribeExperiment, RenameExperiment, useRefreshExperiments } from './ExperimentDialogs'

export function ExperimentMenu({ experiment, onDeleted }: { experiment: Experiment; onDeleted?: () => void }) {
  const [dialog, setDialog] = useState<'rename' | 'describe' | 'delete'>()
  const refresh = useRefreshExperiments()
  const restore = async () => {
    try {
      await restoreExperiment(experiment.experiment_id)
      await refresh()
      toast(`Restored ${experiment.name}`)
    } catch (error) {
      toast(messageOf(error), true)
    }
  }
  const props = { experiment, onClose: () => setDialog(undefined) }
  return (
    <>
      <Menu
        trigger={<IconButton label={`Actions for ${experiment.name}`} title="Actions" icon={<Ellipsis />} />}
        items={
          experiment.lifecycle_stage === 'deleted'
            ? [{ label: 'Restore', icon: <RotateCcw />, onSelect: () => void restore() }]
            : [
                { label: 'Rename…', icon: <Pencil />, onSelect: () => setDialog('rename') },
                { label: 'Describe…', icon: <NotebookPen />, onSelect: () => setDialog('describe') },
                'separator',
                { label: 'Delete…', icon: <Trash2 />, danger: true, onSelect: () => setDialog('delete') },
              ]
        }
      />
      {dialog === 'rename' && <RenameExperiment open {...props} />}
      {dialog === 'describe' && <DescribeExperiment open {...props} />}
      {dialog === 'delete' && <DeleteExperiment open {...props} onDeleted={onDeleted} />}
    </>
  )
}
