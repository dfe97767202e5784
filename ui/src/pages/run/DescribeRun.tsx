/** The dialog in which a run's description is written. */
import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { noteTag } from '../../api/experiments'
import { setRunTag, tagsOf } from '../../api/runs'
import type { Run } from '../../api/types'
import { FormDialog } from '../../components/Dialog'
import { TextArea } from '../../components/Field'

export function DescribeRun({ run, onClose }: { run: Run; onClose: () => void }) {
  const client = useQueryClient()
  const [text, setText] = useState(tagsOf(run).get(noteTag) ?? '')
  const save = () => setRunTag(run.info.run_id, noteTag, text).then(() => client.invalidateQueries({ queryKey: ['run', run.info.run_id] }))
  return (
    <FormDialog open onClose={onClose} title="Describe this run" action="Save" width={560} onSubmit={save}>
      <TextArea label="Description" hint="Markdown" rows={8} value={text} onChange={(event) => setText(event.target.value)} autoFocus />
    </FormDialog>
  )
}
