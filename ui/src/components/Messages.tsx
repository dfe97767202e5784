/** A conversation as people read it: who spoke, the text as markdown, tool calls, attachments. */
import { Paperclip, Wrench } from 'lucide-react'
import { useState } from 'react'
import type { ChatMessage } from '../pages/trace/messages'
import { Json } from './Code'
import { CopyButton } from './Id'
import { Markdown } from './Markdown'
import styles from './Messages.module.css'

/** A text longer than this is folded, so that the answer below it stays in reach. */
const foldCharacters = 1600

export function Messages({ messages, raw = false }: { messages: ChatMessage[]; raw?: boolean }) {
  return (
    <ol className={styles.list}>
      {messages.map((message, index) => (
        <Message key={index} message={message} raw={raw} />
      ))}
    </ol>
  )
}

function Message({ message, raw }: { message: ChatMessage; raw: boolean }) {
  const long = message.text.length > foldCharacters
  const [open, setOpen] = useState(!long)
  const shown = open ? message.text : `${message.text.slice(0, foldCharacters)}…`
  return (
    <li className={styles.message} data-role={message.role}>
      <div className={styles.head}>
        <b>{message.role}</b>
        {message.name && <span className="faint">{message.name}</span>}
        <span className="grow" />
        {message.text && <CopyButton text={message.text} label={`Copy what ${message.role} said`} />}
      </div>
      {message.text && (raw || message.role === 'tool' ? <pre className={styles.plain}>{shown}</pre> : <Markdown text={shown} />)}
      {long && (
        <button type="button" className={styles.unfold} aria-expanded={open} onClick={() => setOpen(!open)}>
          {open ? 'Show less' : `Show all ${message.text.length} characters`}
        </button>
      )}
      {message.toolCalls.map((call, index) => (
        <div key={index} className={styles.call}>
          <div className={styles.callName}>
            <Wrench aria-hidden /> {call.name}
          </div>
          <Json value={call.arguments} label={`Arguments of ${call.name}`} />
        </div>
      ))}
      {message.attachments.map((kind, index) => (
        <div key={index} className={styles.attachment}>
          <Paperclip aria-hidden /> {kind.replaceAll('_', ' ')}
        </div>
      ))}
    </li>
  )
}
