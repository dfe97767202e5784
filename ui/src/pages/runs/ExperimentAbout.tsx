/** The experiment's description, tags and where its files are kept. */
import { useState } from 'react'
import { deleteExperimentTag, noteTag, setExperimentTag } from '../../api/experiments'
import type { Experiment } from '../../api/types'
import { Button } from '../../components/Button'
import { Details } from '../../components/Details'
import { Id } from '../../components/Id'
import { Markdown } from '../../components/Markdown'
import { Scroll, Section } from '../../components/Page'
import { TagEditor } from '../../components/TagEditor'
import { Age } from '../../components/Time'
import { DescribeExperiment, useRefreshExperiments } from '../experiments/ExperimentDialogs'

export function ExperimentAbout({ experiment }: { experiment: Experiment }) {
  const [editing, setEditing] = useState(false)
  const refresh = useRefreshExperiments()
  const id = experiment.experiment_id
  const note = experiment.tags?.find((tag) => tag.key === noteTag)?.value
  return (
    <Scroll>
      <div style={{ maxWidth: 820 }}>
        <Section title="Description" aside={<Button onClick={() => setEditing(true)}>{note ? 'Edit' : 'Write one'}</Button>}>
          {note ? <Markdown text={note} /> : <p className="faint">What is tried here, and what would be a success?</p>}
        </Section>
        <Section title="Tags">
          <TagEditor
            tags={experiment.tags?.filter((tag) => !tag.key.startsWith('mlflow.')) ?? []}
            onSet={(key, value) => setExperimentTag(id, key, value).then(refresh)}
            onDelete={(key) => deleteExperimentTag(id, key).then(refresh)}
          />
        </Section>
        <Section title="Details">
          <Details
            items={{
              id: <Id value={id} full />,
              created: <Age time={experiment.creation_time} suffix />,
              changed: <Age time={experiment.last_update_time} suffix />,
              artifacts: <Id value={experiment.artifact_location ?? '–'} full label="artifact location" />,
            }}
          />
        </Section>
      </div>
      {editing && <DescribeExperiment experiment={experiment} open onClose={() => setEditing(false)} />}
    </Scroll>
  )
}
