/** The sheet of keyboard shortcuts. */
import { modKey } from '../lib/keys'
import { Dialog } from './Dialog'
import styles from './Shortcuts.module.css'

const groups: { title: string; keys: [string, string][] }[] = [
  {
    title: 'Anywhere',
    keys: [
      [`${modKey}K`, 'go to a page, experiment, run or id'],
      ['/', 'filter'],
      ['g e', 'experiments'],
      ['g t', 'traces'],
      ['g p', 'playground'],
      ['g g', 'gateway'],
      ['g s', 'settings'],
      ['?', 'this sheet'],
    ],
  },
  {
    title: 'Tables',
    keys: [
      ['j k', 'next, previous row'],
      ['x', 'select'],
      ['⇧ click', 'select a range'],
      ['↵', 'open'],
    ],
  },
  {
    title: 'Runs',
    keys: [
      ['t', 'table'],
      ['c', 'charts'],
      ['b', 'both'],
    ],
  },
  {
    title: 'Charts',
    keys: [
      ['drag', 'zoom'],
      ['double click', 'reset'],
    ],
  },
]

export function Shortcuts({ open, onClose }: { open: boolean; onClose: () => void }) {
  return (
    <Dialog open={open} onClose={onClose} title="Keyboard" width={560}>
      <div className={styles.groups}>
        {groups.map((group) => (
          <section key={group.title}>
            <h3>{group.title}</h3>
            <dl>
              {group.keys.map(([key, does]) => (
                <div key={key}>
                  <dt>
                    {key.split(' ').map((part, index) => (
                      <kbd key={index}>{part}</kbd>
                    ))}
                  </dt>
                  <dd>{does}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  )
}
