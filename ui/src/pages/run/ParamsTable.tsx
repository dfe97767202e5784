/** The parameters, searchable once there are many; long values open in full. */
import { useState } from 'react'
import type { Run } from '../../api/types'
import { CopyButton } from '../../components/Id'
import { Section } from '../../components/Page'
import styles from './Overview.module.css'

/** With fewer than this a search box is only in the way. */
const searchFrom = 12
/** Longer values are folded to one line. */
const longChars = 90

export function ParamsTable({ run }: { run: Run }) {
  const [search, setSearch] = useState('')
  const all = (run.data?.params ?? []).toSorted((a, b) => a.key.localeCompare(b.key))
  const needle = search.trim().toLowerCase()
  const params = all.filter(({ key, value }) => key.toLowerCase().includes(needle) || value.toLowerCase().includes(needle))
  return (
    <Section title="Parameters" aside={all.length >= searchFrom && <input type="search" className={styles.search} aria-label="Search parameters" placeholder="Search" value={search} onChange={(event) => setSearch(event.target.value)} />}>
      {all.length === 0 ? (
        <p className="faint">This run logged no parameters.</p>
      ) : (
        <table className={styles.table}>
          <tbody>
            {params.map(({ key, value }) => (
              <tr key={key}>
                <td className={`truncate ${styles.key}`} title={key}>
                  {key}
                </td>
                <td className="num">
                  {value.length > longChars || value.includes('\n') ? (
                    <details className={styles.long}>
                      <summary className="truncate">{value}</summary>
                      <pre>{value}</pre>
                    </details>
                  ) : (
                    <span className={styles.wrap}>{value === '' ? <span className="faint">empty</span> : value}</span>
                  )}
                </td>
                <td className={styles.copy}>
                  <CopyButton text={value} label={`Copy ${key}`} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Section>
  )
}
