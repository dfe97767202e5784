/** The system text and the turns of one prompt. */
import { Plus, Trash2 } from 'lucide-react'
import { Button, IconButton } from '../../components/Button'
import type { Prompt, Turn } from './draft'
import { PromptArea } from './PromptArea'
import styles from './PromptEditor.module.css'

export function PromptEditor({ prompt, onChange, name = '' }: { prompt: Prompt; onChange: (prompt: Prompt) => void; name?: string }) {
  const setTurn = (at: number, turn: Turn) => onChange({ ...prompt, turns: prompt.turns.map((it, index) => (index === at ? turn : it)) })
  const next: Turn = { role: prompt.turns.at(-1)?.role === 'user' ? 'assistant' : 'user', text: '' }
  return (
    <div className={styles.editor}>
      <div className={styles.turn}>
        <div className={styles.head}>
          <span className={styles.role}>system</span>
        </div>
        <PromptArea label={`System message${name}`} value={prompt.system} placeholder="How the model shall behave" onChange={(system) => onChange({ ...prompt, system })} />
      </div>
      {prompt.turns.map((turn, index) => (
        <div key={index} className={styles.turn} data-role={turn.role}>
          <div className={styles.head}>
            <button type="button" className={styles.role} title="Change who speaks" aria-label={`Message ${index + 1} is said by ${turn.role}; change`} onClick={() => setTurn(index, { ...turn, role: turn.role === 'user' ? 'assistant' : 'user' })}>
              {turn.role}
            </button>
            <span className="grow" />
            {prompt.turns.length > 1 && <IconButton className={styles.remove} label={`Remove message ${index + 1}`} icon={<Trash2 />} onClick={() => onChange({ ...prompt, turns: prompt.turns.filter((_, at) => at !== index) })} />}
          </div>
          <PromptArea label={`Message ${index + 1}, ${turn.role}${name}`} value={turn.text} placeholder={turn.role === 'user' ? 'What to ask; {{name}} makes a variable' : 'What the model answered'} onChange={(text) => setTurn(index, { ...turn, text })} />
        </div>
      ))}
      <Button tone="ghost" icon={<Plus />} className={styles.add} onClick={() => onChange({ ...prompt, turns: [...prompt.turns, next] })}>
        Add {next.role} message
      </Button>
    </div>
  )
}
