/** The data a run was trained or judged on. */
import { Database } from 'lucide-react'
import { parseJson } from '../../api/client'
import type { DatasetInput, Run } from '../../api/types'
import { Chip } from '../../components/Chip'
import { Id } from '../../components/Id'
import { Section } from '../../components/Page'
import { count } from '../../lib/format'
import styles from './Overview.module.css'

/** What the profile says, in words; profiles differ by the kind of data. */
function size(profile: string | undefined): string {
  if (!profile) return ''
  try {
    const { num_rows: rows, num_elements: elements } = parseJson(profile) as { num_rows?: number; num_elements?: number }
    if (typeof rows !== 'number') return ''
    return `${count(rows, 'row')}${typeof elements === 'number' && rows > 0 ? ` × ${count(Math.round(elements / rows), 'column')}` : ''}`
  } catch {
    // A profile is free text as far as the protocol goes.
    return ''
  }
}

const contextOf = (input: DatasetInput) => input.tags?.find((tag) => tag.key === 'mlflow.data.context')?.value

export function Datasets({ run }: { run: Run }) {
  const inputs = run.inputs?.dataset_inputs ?? []
  if (inputs.length === 0) return null
  return (
    <Section title="Data">
      {inputs.map((input) => (
        <div key={`${input.dataset.name}${input.dataset.digest}`} className={styles.dataset}>
          <Database />
          <span className={styles.datasetName}>{input.dataset.name}</span>
          <Id value={input.dataset.digest} full label="digest" />
          {contextOf(input) && <Chip>{contextOf(input)}</Chip>}
          <span className="faint">{size(input.dataset.profile)}</span>
        </div>
      ))}
    </Section>
  )
}
